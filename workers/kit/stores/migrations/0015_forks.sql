-- Forks: a workflow that begins with what another one of the tenant had done; and the memo, by which a fork finds work that
-- was done before. A policy sees the new row only: what the gateway may write for a fork is judged by functions that read
-- the parent's rows.

-- migrate:up

SET LOCAL ROLE ql_owner;

-- `forked` is the stage from which a fork is done anew; `edited`: somebody wrote that stage's artifact.
ALTER TABLE workflows
    ADD COLUMN forked text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN edited boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT workflows_forked CHECK ((forked = '' OR parent IS NOT NULL) AND (forked <> '' OR NOT edited));
ALTER TABLE workflows ADD CONSTRAINT workflows_parent FOREIGN KEY (parent, tenant) REFERENCES workflows (id, tenant);
CREATE INDEX workflows_forks ON workflows (tenant, parent, id) WHERE parent IS NOT NULL;
CREATE INDEX drops_memo ON drops (tenant, memo_key) WHERE memo_key IS NOT NULL;

CREATE FUNCTION gateway_may_begin(wanted drops) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT wanted.state = 'completed' AND wanted.revision = 1 AND wanted.unit = '' AND wanted.opens IS NULL
        AND wanted.target IS NULL AND wanted.memo_key IS NULL AND wanted.artifact_sha256 IS NOT NULL
        AND EXISTS (
            SELECT FROM workflows w
            WHERE w.id = wanted.workflow_id AND w.tenant = wanted.tenant AND w.state = 'active' AND w.forked <> ''
                AND CASE
                    WHEN w.edited AND wanted.stage = w.forked THEN
                        NOT wanted.unmet AND starts_with(wanted.artifact_key, 'artifacts/' || wanted.tenant || '/')
                    ELSE wanted.stage <> w.forked AND EXISTS (
                        SELECT FROM drops d
                        WHERE d.workflow_id = w.parent AND d.tenant = wanted.tenant AND d.stage = wanted.stage
                            AND d.unit = '' AND d.state = 'completed' AND d.unmet = wanted.unmet
                            AND (d.artifact_key, d.artifact_offset, d.artifact_length, d.artifact_sha256, d.media_type)
                                = (wanted.artifact_key, wanted.artifact_offset, wanted.artifact_length,
                                    wanted.artifact_sha256, wanted.media_type)
                    )
                END
        )
$$;
CREATE FUNCTION gateway_may_tell(wanted events) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM workflows w JOIN drops d ON d.workflow_id = w.id
        WHERE w.id = wanted.workflow_id AND w.tenant = wanted.tenant AND w.state = 'active' AND w.forked <> ''
            AND d.stage = wanted.stage AND d.revision = 1 AND d.unit = '' AND d.state = 'completed'
            AND wanted.id = w.id || '.' || d.stage || '.completed.1'
            AND wanted.subject = 'ql.evt.' || w.tenant || '.' || wanted.id
    )
$$;
REVOKE EXECUTE ON FUNCTION gateway_may_begin(drops), gateway_may_tell(events) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gateway_may_begin(drops), gateway_may_tell(events) TO ql_gateway;

CREATE POLICY begins ON drops AS RESTRICTIVE FOR INSERT TO ql_gateway WITH CHECK (gateway_may_begin(drops));
DROP POLICY begins ON events;
CREATE POLICY begins ON events AS RESTRICTIVE FOR INSERT TO ql_gateway
    WITH CHECK (stage = 'workflow' OR gateway_may_tell(events));
GRANT INSERT ON drops TO ql_gateway;

-- migrate:down

SET LOCAL ROLE ql_owner;
REVOKE INSERT ON drops FROM ql_gateway;
DROP POLICY begins ON events;
CREATE POLICY begins ON events AS RESTRICTIVE FOR INSERT TO ql_gateway WITH CHECK (stage = 'workflow');
DROP POLICY begins ON drops;
DROP FUNCTION gateway_may_begin(drops), gateway_may_tell(events);
DROP INDEX drops_memo, workflows_forks;
ALTER TABLE workflows
    DROP CONSTRAINT workflows_parent, DROP CONSTRAINT workflows_forked, DROP COLUMN edited, DROP COLUMN forked;
