-- Never more than one call over a limit. Until now a call that ran held what it was expected to take; now it holds the
-- most that it can take, which its router sees to, and only a call that runs alone may begin on the expectation.

-- migrate:up

SET LOCAL ROLE ql_owner;

DROP FUNCTION begin_call;

-- May this question be asked now? It is expected to take about `guess`, and takes at most `most` where a limit holds: then
-- `granted` says what the router must keep to (NULL: no limit holds). One of
--   yours   it may: `granted` is held until the call is settled, or until nobody has renewed it for `lease_s`
--   known   somebody has answered it meanwhile
--   theirs  somebody else asks it right now
--   wait    the calls that run now hold what is left of the limit `scope`
--   over    it would cross the limit `scope`
-- Beside others a call runs if the most that all of them can take is within the limit; alone also if only its guess is, and
-- what is left is granted. So whatever they take, the limit is crossed by one call at most: by what that one takes beyond
-- its guess.
-- The row of calls_running comes first: who ends a call stores its answer and removes that row in one transaction, so
-- after the insert the answer can be seen. Then the limits, the workflow's before the month's: each row is locked, and
-- what runs and what was paid is read in one statement after that. Who begins many calls in one transaction keeps these
-- locks, so let their order be the same everywhere. A call that costs nothing meets no limit.
CREATE FUNCTION begin_call(
    for_tenant text, this_question bytea, for_workflow text, this_call text, guess numeric, lease_s double precision,
    most numeric DEFAULT NULL
) RETURNS TABLE (verdict text, scope text, allowed numeric, spent numeric, held numeric, granted numeric)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    this_month text := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM');
    wanted numeric := greatest(most, guess);
    given numeric := wanted;
    limited boolean := false;
    lim record;
    paid numeric;
    run numeric;
    owed numeric;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO calls_running AS r (tenant, question, call, workflow_id, month, estimate, until)
    VALUES (
        for_tenant, this_question, this_call, for_workflow, this_month, wanted,
        clock_timestamp() + make_interval(secs => lease_s)
    )
    ON CONFLICT (tenant, question) DO UPDATE SET
        call = excluded.call, workflow_id = excluded.workflow_id, month = excluded.month,
        estimate = excluded.estimate, until = excluded.until
    WHERE r.until < clock_timestamp() OR r.call = excluded.call;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'theirs', '', 0::numeric, 0::numeric, 0::numeric, NULL::numeric;
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM ledger l WHERE l.tenant = for_tenant AND l.question = this_question) THEN
        DELETE FROM calls_running r WHERE r.tenant = for_tenant AND r.question = this_question;
        RETURN QUERY SELECT 'known', '', 0::numeric, 0::numeric, 0::numeric, NULL::numeric;
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
        limited := true;
        INSERT INTO budgets (tenant, scope, spent) VALUES (for_tenant, lim.name, 0) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            -- What waits in charges stands in usage too: one snapshot sees both, or neither.
            WITH counted AS (DELETE FROM charges c WHERE c.tenant = for_tenant AND c.scope = lim.name)
            UPDATE budgets b SET spent = (
                SELECT coalesce(sum(u.cost), 0) FROM usage u
                WHERE u.tenant = for_tenant AND CASE lim.place
                    WHEN 1 THEN u.workflow_id = for_workflow
                    ELSE u.created_at >= date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
                END
            )
            WHERE b.tenant = for_tenant AND b.scope = lim.name RETURNING b.spent INTO paid;
        ELSE
            SELECT b.spent INTO paid FROM budgets b WHERE b.tenant = for_tenant AND b.scope = lim.name FOR UPDATE;
        END IF;
        -- A call that began last month is paid for in this one.
        WITH counted AS (
            DELETE FROM charges c WHERE c.tenant = for_tenant AND c.scope = lim.name RETURNING c.cost
        )
        SELECT coalesce((SELECT sum(c.cost) FROM counted c), 0), coalesce(sum(r.estimate), 0) INTO owed, run
        FROM calls_running r
        WHERE r.tenant = for_tenant AND r.call <> this_call AND r.until > clock_timestamp()
            AND (lim.place = 2 OR r.workflow_id = for_workflow);
        IF owed <> 0 THEN
            UPDATE budgets b SET spent = b.spent + owed WHERE b.tenant = for_tenant AND b.scope = lim.name;
            paid := paid + owed;
        END IF;
        IF paid + guess > lim.most OR (run > 0 AND paid + run + given > lim.most) THEN
            DELETE FROM calls_running r WHERE r.tenant = for_tenant AND r.question = this_question;
            RETURN QUERY SELECT
                CASE WHEN paid + guess > lim.most THEN 'over' ELSE 'wait' END,
                lim.name, lim.most, paid, run, NULL::numeric;
            RETURN;
        END IF;
        given := least(given, lim.most - paid - run);
    END LOOP;
    IF given < wanted THEN
        UPDATE calls_running r SET estimate = given WHERE r.tenant = for_tenant AND r.question = this_question;
    END IF;
    RETURN QUERY SELECT
        'yours', '', 0::numeric, 0::numeric, 0::numeric, CASE WHEN limited THEN given END;
END $$;
REVOKE EXECUTE ON FUNCTION begin_call FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_call TO ql_worker;

-- The gateway tells what is spent from `usage`, and what is held from `calls_running`: these two it never reads.
REVOKE SELECT ON budgets, charges FROM ql_gateway;
DROP POLICY gateway ON budgets;
DROP POLICY gateway ON charges;

-- migrate:down

SET LOCAL ROLE ql_owner;
CREATE POLICY gateway ON budgets TO ql_gateway USING (tenant = nullif(current_setting('ql.tenant', true), ''));
CREATE POLICY gateway ON charges TO ql_gateway USING (tenant = nullif(current_setting('ql.tenant', true), ''));
GRANT SELECT ON budgets, charges TO ql_gateway;
DROP FUNCTION begin_call;
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
