-- Cancel, resume, dead letters for the gateway; admission. The gateway may move a workflow from active to cancelled and
-- from failed to active, close open drops, and let a failed drop open a revision: a policy sees the new row only, so
-- each move is judged by a function that also reads the row as it was.

-- migrate:up

SET LOCAL ROLE ql_owner;

-- What is there is on the bus already.
ALTER TABLE workflows ADD COLUMN admitted_at timestamptz DEFAULT now();
ALTER TABLE workflows ALTER COLUMN admitted_at DROP DEFAULT;
CREATE INDEX workflows_admitted ON workflows (tenant) WHERE state = 'active' AND admitted_at IS NOT NULL;
CREATE INDEX workflows_waiting ON workflows (tenant, id) WHERE state = 'active' AND admitted_at IS NULL;

ALTER TABLE dead_letters ADD COLUMN kind text NOT NULL DEFAULT 'message' CHECK (kind IN ('message', 'work'));
CREATE INDEX dead_letters_newest ON dead_letters (tenant, created_at DESC, id DESC);

CREATE POLICY judged ON tenants FOR SELECT TO ql_owner USING (true);

CREATE FUNCTION gateway_may(wanted workflows) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM workflows w WHERE w.id = wanted.id AND w.tenant = wanted.tenant AND CASE wanted.state
            WHEN 'cancelled' THEN w.state = 'active' AND wanted.ended_at IS NOT NULL AND wanted.deadline = w.deadline
            WHEN 'active' THEN w.state = 'failed' AND wanted.ended_at IS NULL AND wanted.deadline >= w.deadline
            ELSE false
        END
    )
$$;
CREATE FUNCTION gateway_may(wanted drops) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM drops d
        WHERE d.workflow_id = wanted.workflow_id AND d.stage = wanted.stage AND d.revision = wanted.revision
            AND d.unit = wanted.unit AND CASE
                WHEN d.state IN ('running', 'retry') THEN
                    d.opens IS NOT DISTINCT FROM wanted.opens AND d.target IS NOT DISTINCT FROM wanted.target
                    AND wanted.lease_until IS NULL AND wanted.retry_at IS NULL AND wanted.state = CASE
                        WHEN d.artifact_sha256 IS NULL THEN 'closed'
                        WHEN d.opens IS NULL THEN 'completed'
                        ELSE 'rejected'
                    END
                WHEN d.state = 'failed' THEN
                    wanted.state = 'failed' AND wanted.target = coalesce(d.target, d.stage)
                    AND wanted.opens > coalesce(d.opens, 1)
                ELSE false
            END
    )
$$;
CREATE FUNCTION only_default() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT NOT EXISTS (SELECT FROM tenants WHERE tenant <> 'default')
$$;
REVOKE EXECUTE ON FUNCTION gateway_may(workflows), gateway_may(drops), only_default() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gateway_may(workflows), gateway_may(drops), only_default() TO ql_gateway;

CREATE POLICY moves ON workflows AS RESTRICTIVE FOR UPDATE TO ql_gateway
    USING (true) WITH CHECK (gateway_may(workflows));
CREATE POLICY moves ON drops AS RESTRICTIVE FOR UPDATE TO ql_gateway
    USING (true) WITH CHECK (gateway_may(drops));
-- Whose a message is that nobody can read is known only while there is one tenant.
CREATE POLICY unread ON dead_letters TO ql_gateway USING (
    tenant = 'unknown' AND current_setting('ql.tenant', true) = 'default' AND only_default()
);

GRANT UPDATE (admitted_at) ON workflows TO ql_worker;
GRANT UPDATE (state, error, ended_at, deadline, admitted_at) ON workflows TO ql_gateway;
GRANT UPDATE (state, lease_until, retry_at, updated_at, opens, target) ON drops TO ql_gateway;
GRANT SELECT, DELETE, UPDATE (body, sha256) ON dead_letters TO ql_gateway;

-- migrate:down

REVOKE ALL ON dead_letters FROM ql_gateway;
REVOKE UPDATE (state, lease_until, retry_at, updated_at, opens, target) ON drops FROM ql_gateway;
REVOKE UPDATE (state, error, ended_at, deadline, admitted_at) ON workflows FROM ql_gateway;
REVOKE UPDATE (admitted_at) ON workflows FROM ql_worker;
DROP POLICY unread ON dead_letters;
DROP POLICY moves ON drops;
DROP POLICY moves ON workflows;
DROP FUNCTION gateway_may(workflows), gateway_may(drops), only_default();
DROP POLICY judged ON tenants;
DROP INDEX dead_letters_newest;
ALTER TABLE dead_letters DROP COLUMN kind;
DROP INDEX workflows_waiting, workflows_admitted;
ALTER TABLE workflows DROP COLUMN admitted_at;
