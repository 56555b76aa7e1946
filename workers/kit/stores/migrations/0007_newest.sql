-- The workflow's newest revision, in its own row: who holds that row's lock knows what is due without another look.

-- migrate:up

SET LOCAL ROLE ql_owner;

ALTER TABLE workflows ADD COLUMN newest integer NOT NULL DEFAULT 1;
CREATE POLICY counted ON workflows TO ql_owner USING (true) WITH CHECK (true);
CREATE POLICY counted ON drops FOR SELECT TO ql_owner USING (true);
UPDATE workflows w SET newest = o.newest
FROM (SELECT workflow_id, max(opens) AS newest FROM drops WHERE opens IS NOT NULL GROUP BY workflow_id) o
WHERE o.workflow_id = w.id;
DROP POLICY counted ON drops;
DROP POLICY counted ON workflows;
GRANT UPDATE (newest) ON workflows TO ql_worker, ql_gateway;

CREATE OR REPLACE FUNCTION gateway_may(wanted workflows) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM workflows w WHERE w.id = wanted.id AND w.tenant = wanted.tenant AND CASE wanted.state
            WHEN 'cancelled' THEN w.state = 'active' AND wanted.ended_at IS NOT NULL AND wanted.deadline = w.deadline
                AND wanted.newest = w.newest
            WHEN 'active' THEN w.state = 'failed' AND wanted.ended_at IS NULL AND wanted.deadline >= w.deadline
                AND wanted.newest > w.newest
            ELSE false
        END
    )
$$;

CREATE OR REPLACE FUNCTION gateway_may(wanted drops) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM drops d JOIN workflows w ON w.id = d.workflow_id
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
                    w.state = 'failed' AND wanted.state = 'failed' AND wanted.target = coalesce(d.target, d.stage)
                    AND wanted.opens = w.newest + 1
                ELSE false
            END
    )
$$;

-- migrate:down

CREATE OR REPLACE FUNCTION gateway_may(wanted drops) RETURNS boolean
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

REVOKE UPDATE (newest) ON workflows FROM ql_worker, ql_gateway;
CREATE OR REPLACE FUNCTION gateway_may(wanted workflows) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM workflows w WHERE w.id = wanted.id AND w.tenant = wanted.tenant AND CASE wanted.state
            WHEN 'cancelled' THEN w.state = 'active' AND wanted.ended_at IS NOT NULL AND wanted.deadline = w.deadline
            WHEN 'active' THEN w.state = 'failed' AND wanted.ended_at IS NULL AND wanted.deadline >= w.deadline
            ELSE false
        END
    )
$$;
ALTER TABLE workflows DROP COLUMN newest;
