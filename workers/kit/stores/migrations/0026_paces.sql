-- What providers, models and tenants take a minute, counted for all routers together.

-- migrate:up

SET LOCAL ROLE ql_owner;

-- By second, for a minute. `held` is what the calls begun in that second are expected to take, `tokens` what those that
-- ended in it took. After a crash of the server it is empty: who counts a minute has forgotten little.
CREATE UNLOGGED TABLE paces (
    name text COLLATE "C" NOT NULL,
    second bigint NOT NULL,
    calls bigint NOT NULL,
    tokens bigint NOT NULL,
    held bigint NOT NULL,
    PRIMARY KEY (name, second)
) WITH (fillfactor = 50);
ALTER TABLE paces ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON paces TO ql_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON paces TO ql_worker;

-- One asks for a name at a time. Whoever asks for several gives them in one order.
CREATE FUNCTION lock_paces(these text[]) RETURNS bigint
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    this text;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    FOREACH this IN ARRAY these LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended(this, 26));
    END LOOP;
    RETURN floor(extract(epoch FROM clock_timestamp()));
END $$;

-- Count one call of all these names, or say which of them is over. `most_calls` and `most_tokens` are for a minute, 0 is
-- any number; `estimate` is held for a minute, or until `end_paced`. `began` is for that; `over` is 'calls' or 'tokens',
-- and `pause_s` when there will be fewer; NULL: perhaps as soon as some of the calls that run have ended.
CREATE FUNCTION begin_paced(these text[], most_calls bigint[], most_tokens bigint[], estimate bigint)
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

-- A call has ended: what it took in truth counts from now on, in the place of its estimate.
CREATE FUNCTION end_paced(these text[], began bigint, estimate bigint, took bigint) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    now_s bigint := lock_paces(these);
BEGIN
    UPDATE paces p SET held = greatest(p.held - estimate, 0) WHERE p.name = ANY (these) AND p.second = began;
    INSERT INTO paces AS p (name, second, calls, tokens, held) SELECT u.this, now_s, 0, took, 0 FROM unnest(these) AS u (this)
    ON CONFLICT (name, second) DO UPDATE SET tokens = p.tokens + excluded.tokens;
END $$;
REVOKE EXECUTE ON FUNCTION lock_paces, begin_paced, end_paced FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lock_paces, begin_paced, end_paced TO ql_worker;

-- migrate:down

SET LOCAL ROLE ql_owner;
DROP FUNCTION end_paced;
DROP FUNCTION begin_paced;
DROP FUNCTION lock_paces;
DROP TABLE paces;
