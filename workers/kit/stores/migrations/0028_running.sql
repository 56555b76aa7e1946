-- Of the calls that run there are few, and nothing looks for them by month any more, or by workflow but for a tenant's
-- few: two indexes less to write with each call, and none beside the key that a plan could take by its tenant alone.

-- migrate:up

SET LOCAL ROLE ql_owner;
DROP INDEX calls_running_workflow, calls_running_month;

-- migrate:down

SET LOCAL ROLE ql_owner;
CREATE INDEX calls_running_workflow ON calls_running (tenant, workflow_id);
CREATE INDEX calls_running_month ON calls_running (tenant, month);
