-- A clock that is set back leaves seconds that are still to come: they no longer count until it has caught up with them.

-- migrate:up

SET LOCAL ROLE ql_owner;
CREATE OR REPLACE FUNCTION begin_paced(these text[], most_calls bigint[], most_tokens bigint[], estimate bigint)
RETURNS TABLE (began bigint, name text, over text, pause_s double precision)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    now_s bigint := lock_paces(these);
    place integer;
    since bigint;
BEGIN
    -- A second's calls are forgotten when the last of them is a minute old, and when the clock was set back before it.
    DELETE FROM paces p WHERE p.name = ANY (these) AND (p.second < now_s - 60 OR p.second > now_s + 1);
    FOR place IN 1..cardinality(these) LOOP
        IF most_calls[place] > 0 THEN
            SELECT max(c.second) INTO since FROM (
                SELECT p.second, sum(p.calls) OVER (ORDER BY p.second DESC) AS later
                FROM paces p WHERE p.name = these[place]
            ) c WHERE c.later >= most_calls[place];
            IF since IS NOT NULL THEN
                RETURN QUERY SELECT now_s, these[place], 'calls', since + 61 - extract(epoch FROM clock_timestamp())::double precision;
                RETURN;
            END IF;
        END IF;
        IF most_tokens[place] > 0 THEN
            IF (SELECT sum(p.tokens + p.held) FROM paces p WHERE p.name = these[place]) >= most_tokens[place] THEN
                SELECT max(t.second) INTO since FROM (
                    SELECT p.second, sum(p.tokens) OVER (ORDER BY p.second DESC) AS later
                    FROM paces p WHERE p.name = these[place]
                ) t WHERE t.later >= most_tokens[place];
                RETURN QUERY SELECT now_s, these[place], 'tokens', since + 61 - extract(epoch FROM clock_timestamp())::double precision;
                RETURN;
            END IF;
        END IF;
    END LOOP;
    INSERT INTO paces AS p (name, second, calls, tokens, held) SELECT u.this, now_s, 1, 0, estimate FROM unnest(these) AS u (this)
    ON CONFLICT (name, second) DO UPDATE SET calls = p.calls + 1, held = p.held + excluded.held;
    RETURN QUERY SELECT now_s, '', '', 0::double precision;
END $$;

-- migrate:down

SET LOCAL ROLE ql_owner;
CREATE OR REPLACE FUNCTION begin_paced(these text[], most_calls bigint[], most_tokens bigint[], estimate bigint)
RETURNS TABLE (began bigint, name text, over text, pause_s double precision)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    now_s bigint := lock_paces(these);
    place integer;
    since bigint;
BEGIN
    -- A second's calls are forgotten when the last of them is a minute old.
    DELETE FROM paces p WHERE p.name = ANY (these) AND p.second < now_s - 60;
    FOR place IN 1..cardinality(these) LOOP
        IF most_calls[place] > 0 THEN
            SELECT max(c.second) INTO since FROM (
                SELECT p.second, sum(p.calls) OVER (ORDER BY p.second DESC) AS later
                FROM paces p WHERE p.name = these[place]
            ) c WHERE c.later >= most_calls[place];
            IF since IS NOT NULL THEN
                RETURN QUERY SELECT now_s, these[place], 'calls', since + 61 - extract(epoch FROM clock_timestamp())::double precision;
                RETURN;
            END IF;
        END IF;
        IF most_tokens[place] > 0 THEN
            IF (SELECT sum(p.tokens + p.held) FROM paces p WHERE p.name = these[place]) >= most_tokens[place] THEN
                SELECT max(t.second) INTO since FROM (
                    SELECT p.second, sum(p.tokens) OVER (ORDER BY p.second DESC) AS later
                    FROM paces p WHERE p.name = these[place]
                ) t WHERE t.later >= most_tokens[place];
                RETURN QUERY SELECT now_s, these[place], 'tokens', since + 61 - extract(epoch FROM clock_timestamp())::double precision;
                RETURN;
            END IF;
        END IF;
    END LOOP;
    INSERT INTO paces AS p (name, second, calls, tokens, held) SELECT u.this, now_s, 1, 0, estimate FROM unnest(these) AS u (this)
    ON CONFLICT (name, second) DO UPDATE SET calls = p.calls + 1, held = p.held + excluded.held;
    RETURN QUERY SELECT now_s, '', '', 0::double precision;
END $$;
