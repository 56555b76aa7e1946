-- Models: the ledger keeps the question with its answer, usage tells every call, money is reserved before a call and
-- paid with its answer, and equal questions on two routers are one call.

-- migrate:up

SET LOCAL ROLE ql_owner;

-- `asked` holds the bytes whose sha256 is the key `question`, compressed like the answer. What is above 4 MiB lies in
-- S3: `asked_ref` or `answer_ref` then holds the reference as JSON, and the body here is empty. `instead` says why a stand-in answered.
ALTER TABLE ledger
    ADD COLUMN asked bytea NOT NULL DEFAULT '' CHECK (octet_length(asked) <= 4194304),
    ADD COLUMN asked_ref text NOT NULL DEFAULT '',
    ADD COLUMN answer_ref text NOT NULL DEFAULT '',
    ADD COLUMN instead text NOT NULL DEFAULT '',
    ADD COLUMN provider text NOT NULL DEFAULT '',
    ADD COLUMN task text NOT NULL DEFAULT '',
    ADD COLUMN role text NOT NULL DEFAULT '',
    ADD COLUMN schema_name text NOT NULL DEFAULT '',
    ADD COLUMN revision integer NOT NULL DEFAULT 1,
    ADD COLUMN imported boolean NOT NULL DEFAULT false;
ALTER TABLE ledger ALTER asked SET STORAGE EXTERNAL;
-- The nearest question that was ever asked, when strict misses one.
CREATE INDEX ledger_task ON ledger (tenant, task, stage, created_at DESC);

-- A row for each call: answered, known (from the ledger: tokens as then, cost 0), failed, or answered by a stand_in.
-- All the ledger's entries that a workflow used are those its calls name. `call` lets a router that lost its connection
-- say again what a call took, and have it counted once.
ALTER TABLE usage
    ADD COLUMN call text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN revision integer NOT NULL DEFAULT 1,
    ADD COLUMN task text NOT NULL DEFAULT '',
    ADD COLUMN role text NOT NULL DEFAULT '',
    ADD COLUMN provider text NOT NULL DEFAULT '',
    ADD COLUMN latency_ms integer NOT NULL DEFAULT 0,
    ADD COLUMN outcome text NOT NULL DEFAULT 'answered'
        CHECK (outcome IN ('answered', 'known', 'failed', 'stand_in')),
    ADD COLUMN code text NOT NULL DEFAULT '',
    ADD COLUMN detail text NOT NULL DEFAULT '',
    ADD COLUMN tried jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN pieces jsonb NOT NULL DEFAULT '[]';
DROP INDEX usage_workflow;
CREATE INDEX usage_workflow ON usage (tenant, workflow_id, id);
CREATE UNIQUE INDEX usage_call ON usage (call) WHERE call <> '';
CREATE INDEX usage_newest ON usage (tenant, id);
CREATE INDEX usage_month ON usage (tenant, created_at);

-- US dollars that a tenant may spend in a month (UTC); NULL: as many as it likes.
ALTER TABLE tenants ADD COLUMN monthly_budget numeric CHECK (monthly_budget >= 0);

-- What was spent under a limit: `scope` is a workflow's id, or a month as 2026-11. A row is made by the first call that
-- has a limit. What was paid in a month waits in `charges` until the next call counts it in, so that calls that end
-- together don't wait for each other's commit.
CREATE TABLE budgets (
    tenant text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    spent numeric NOT NULL,
    PRIMARY KEY (tenant, scope)
) WITH (fillfactor = 50);
CREATE TABLE charges (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    cost numeric NOT NULL
);
CREATE INDEX charges_scope ON charges (tenant, scope);

-- A question that a router asks right now, as long as it says so: nobody else asks it, and its estimate is held.
CREATE TABLE calls_running (
    tenant text COLLATE "C" NOT NULL,
    question bytea NOT NULL CHECK (octet_length(question) = 32),
    call text COLLATE "C" NOT NULL,
    workflow_id text COLLATE "C" NOT NULL,
    month text COLLATE "C" NOT NULL,
    estimate numeric NOT NULL CHECK (estimate >= 0),
    until timestamptz NOT NULL,
    PRIMARY KEY (tenant, question)
) WITH (fillfactor = 50);
CREATE INDEX calls_running_workflow ON calls_running (tenant, workflow_id);
CREATE INDEX calls_running_month ON calls_running (tenant, month);

-- Kill switches: tenant '*' is all tenants, provider '*' all providers.
CREATE TABLE switches (
    tenant text COLLATE "C" NOT NULL CHECK (tenant <> ''),
    provider text COLLATE "C" NOT NULL CHECK (provider <> ''),
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, provider)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['budgets', 'charges', 'calls_running', 'switches'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY worker ON %I TO ql_worker USING (true) WITH CHECK (true)', name);
        EXECUTE format(
            'CREATE POLICY gateway ON %I TO ql_gateway USING (tenant = nullif(current_setting(%L, true), %L))',
            name, 'ql.tenant', ''
        );
    END LOOP;
END $$;
-- A tenant sees what was switched off for all.
CREATE POLICY for_all ON switches FOR SELECT TO ql_gateway USING (tenant = '*');
-- The only tenant limits itself; who may limit one of many is not the tenant's to say.
CREATE POLICY itself ON tenants AS RESTRICTIVE FOR UPDATE TO ql_gateway USING (only_default());
-- Nobody but the router says that a model was asked.
CREATE POLICY imports ON ledger AS RESTRICTIVE FOR INSERT TO ql_gateway WITH CHECK (imported);

-- May this question be asked now, at about this cost? One of
--   yours   it may: its estimate is held until the call is settled, or until nobody has renewed it for `lease_s`
--   known   somebody has answered it meanwhile
--   theirs  somebody else asks it right now
--   wait    the calls that run now hold what is left of the limit `scope`
--   over    it would cross the limit `scope`
-- The row of calls_running comes first: who ends a call stores its answer and removes that row in one transaction, so
-- after the insert the answer can be seen. Then the limits, the workflow's before the month's: each row is locked, and
-- what runs and what was paid is read in one statement after that. A call that costs nothing meets no limit.
CREATE FUNCTION begin_call(
    for_tenant text, this_question bytea, for_workflow text, this_call text, guess numeric, lease_s double precision
) RETURNS TABLE (verdict text, scope text, allowed numeric, spent numeric, held numeric)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    this_month text := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM');
    lim record;
    paid numeric;
    run numeric;
    owed numeric;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO calls_running AS r (tenant, question, call, workflow_id, month, estimate, until)
    VALUES (
        for_tenant, this_question, this_call, for_workflow, this_month, guess,
        clock_timestamp() + make_interval(secs => lease_s)
    )
    ON CONFLICT (tenant, question) DO UPDATE SET
        call = excluded.call, workflow_id = excluded.workflow_id, month = excluded.month,
        estimate = excluded.estimate, until = excluded.until
    WHERE r.until < clock_timestamp() OR r.call = excluded.call;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'theirs', '', 0::numeric, 0::numeric, 0::numeric;
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM ledger l WHERE l.tenant = for_tenant AND l.question = this_question) THEN
        DELETE FROM calls_running r WHERE r.tenant = for_tenant AND r.question = this_question;
        RETURN QUERY SELECT 'known', '', 0::numeric, 0::numeric, 0::numeric;
        RETURN;
    END IF;
    FOR lim IN
        SELECT 1 AS place, w.id AS name, w.budget AS most FROM workflows w
        WHERE w.id = for_workflow AND w.tenant = for_tenant AND w.budget IS NOT NULL AND guess > 0
        UNION ALL
        SELECT 2, this_month, t.monthly_budget FROM tenants t
        WHERE t.tenant = for_tenant AND t.monthly_budget IS NOT NULL AND guess > 0
        ORDER BY place
    LOOP
        SELECT b.spent INTO paid FROM budgets b WHERE b.tenant = for_tenant AND b.scope = lim.name FOR UPDATE;
        IF NOT FOUND THEN
            INSERT INTO budgets (tenant, scope, spent)
            SELECT for_tenant, lim.name, coalesce(sum(u.cost), 0) FROM usage u
            WHERE u.tenant = for_tenant AND CASE lim.place
                WHEN 1 THEN u.workflow_id = for_workflow
                ELSE u.created_at >= date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
            END
            ON CONFLICT DO NOTHING;
            SELECT b.spent INTO paid FROM budgets b WHERE b.tenant = for_tenant AND b.scope = lim.name FOR UPDATE;
        END IF;
        WITH counted AS (
            DELETE FROM charges c WHERE c.tenant = for_tenant AND c.scope = lim.name RETURNING c.cost
        )
        SELECT coalesce((SELECT sum(c.cost) FROM counted c), 0), coalesce(sum(r.estimate), 0) INTO owed, run
        FROM calls_running r
        WHERE r.tenant = for_tenant AND r.call <> this_call AND r.until > clock_timestamp() AND CASE lim.place
            WHEN 1 THEN r.workflow_id = for_workflow
            ELSE r.month = this_month
        END;
        IF owed <> 0 THEN
            UPDATE budgets b SET spent = b.spent + owed WHERE b.tenant = for_tenant AND b.scope = lim.name;
            paid := paid + owed;
        END IF;
        IF paid + run + guess > lim.most THEN
            DELETE FROM calls_running r WHERE r.tenant = for_tenant AND r.question = this_question;
            RETURN QUERY SELECT
                CASE WHEN paid + guess > lim.most THEN 'over' ELSE 'wait' END, lim.name, lim.most, paid, run;
            RETURN;
        END IF;
    END LOOP;
    RETURN QUERY SELECT 'yours', '', 0::numeric, 0::numeric, 0::numeric;
END $$;
REVOKE EXECUTE ON FUNCTION begin_call FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_call TO ql_worker;

GRANT SELECT, INSERT, UPDATE ON budgets TO ql_worker;
GRANT SELECT, INSERT, DELETE ON charges, switches TO ql_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON calls_running TO ql_worker;
GRANT UPDATE (reason) ON switches TO ql_worker, ql_gateway;
GRANT UPDATE (monthly_budget) ON tenants TO ql_worker, ql_gateway;
GRANT SELECT ON ledger, usage, tenants, budgets, charges TO ql_gateway;
GRANT INSERT ON ledger TO ql_gateway;
GRANT SELECT, INSERT, DELETE ON switches TO ql_gateway;

-- migrate:down

REVOKE INSERT ON ledger FROM ql_gateway;
REVOKE SELECT ON ledger, usage, tenants FROM ql_gateway;
REVOKE UPDATE (monthly_budget) ON tenants FROM ql_worker, ql_gateway;
DROP FUNCTION begin_call;
DROP TABLE switches, calls_running, charges, budgets;
DROP POLICY itself ON tenants;
DROP POLICY imports ON ledger;
ALTER TABLE tenants DROP COLUMN monthly_budget;
DROP INDEX usage_month, usage_newest, usage_workflow;
CREATE INDEX usage_workflow ON usage (tenant, workflow_id);
ALTER TABLE usage
    DROP COLUMN call, DROP COLUMN revision, DROP COLUMN task, DROP COLUMN role, DROP COLUMN provider, DROP COLUMN latency_ms,
    DROP COLUMN outcome, DROP COLUMN code, DROP COLUMN detail, DROP COLUMN tried, DROP COLUMN pieces;
DROP INDEX ledger_task;
ALTER TABLE ledger
    DROP COLUMN asked, DROP COLUMN asked_ref, DROP COLUMN answer_ref, DROP COLUMN instead,
    DROP COLUMN provider, DROP COLUMN task, DROP COLUMN role, DROP COLUMN schema_name, DROP COLUMN revision, DROP COLUMN imported;
