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

-- migrate:down

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
