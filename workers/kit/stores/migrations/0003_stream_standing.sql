-- Every publisher looks whether the stream is the one that the sequences belong to, also the gateway, whose role sees
-- one tenant's events and no stream: the function tells both roles the same, and no more than that.

-- migrate:up

SET LOCAL ROLE ql_owner;

CREATE POLICY standing ON events FOR SELECT TO ql_owner USING (published_seq IS NOT NULL);
CREATE FUNCTION stream_standing(stream_name text) RETURNS TABLE (created text, seq bigint, event text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT s.created, h.published_seq, h.id
    FROM (VALUES (stream_name)) AS asked (name)
    LEFT JOIN stream s ON s.name = asked.name
    LEFT JOIN LATERAL (
        SELECT e.published_seq, e.id FROM events e
        WHERE e.published_seq IS NOT NULL ORDER BY e.published_seq DESC LIMIT 1
    ) h ON true
$$;
REVOKE EXECUTE ON FUNCTION stream_standing FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stream_standing TO ql_worker, ql_gateway;

-- migrate:down

DROP FUNCTION stream_standing;
DROP POLICY standing ON events;
