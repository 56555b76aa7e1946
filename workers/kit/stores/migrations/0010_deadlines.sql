-- The gateway's relay looks after deadlines too, with no worker there: it may end an active workflow as expired once its
-- deadline has passed. What it does to the drops, it may do since it may cancel.

-- migrate:up

SET LOCAL ROLE ql_owner;

CREATE OR REPLACE FUNCTION gateway_may(wanted workflows) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM workflows w WHERE w.id = wanted.id AND w.tenant = wanted.tenant AND CASE wanted.state
            WHEN 'cancelled' THEN w.state = 'active' AND wanted.ended_at IS NOT NULL AND wanted.deadline = w.deadline
                AND wanted.newest = w.newest
            WHEN 'expired' THEN w.state = 'active' AND w.deadline <= now() AND wanted.ended_at IS NOT NULL
                AND wanted.deadline = w.deadline AND wanted.newest = w.newest
            WHEN 'active' THEN w.state = 'failed' AND wanted.ended_at IS NULL AND wanted.deadline >= w.deadline
                AND wanted.newest > w.newest
            ELSE false
        END
    )
$$;

-- migrate:down

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
