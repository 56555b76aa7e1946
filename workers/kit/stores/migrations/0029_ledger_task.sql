-- The nearest question of a task, found as before. An index that begins with the tenant was taken to look for one answer
-- too, by every session that planned that while the ledger was empty: it then read all answers of the tenant, ever after.

-- migrate:up

SET LOCAL ROLE ql_owner;
DROP INDEX ledger_task;
CREATE INDEX ledger_task ON ledger (task, stage, tenant, created_at DESC);

-- migrate:down

SET LOCAL ROLE ql_owner;
DROP INDEX ledger_task;
CREATE INDEX ledger_task ON ledger (tenant, task, stage, created_at DESC);
