-- Drops of stages that somebody else wrote: rows of their own, so that nothing in the pipeline ever meets one. They are
-- added once and never changed; the gateway adds them for its tenant, and an event only where such a drop is told.

-- migrate:up

SET LOCAL ROLE ql_owner;

CREATE TABLE foreign_drops (
    workflow_id text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL CHECK (stage ~ '^x_[a-z0-9_]{1,60}$'),
    revision integer NOT NULL CHECK (revision > 0),
    tenant text COLLATE "C" NOT NULL,
    state text NOT NULL CHECK (state IN ('completed', 'failed')),
    attempts integer NOT NULL,
    artifact_sha256 text COLLATE "C",
    artifact_length bigint,
    media_type text NOT NULL DEFAULT '',
    inputs jsonb NOT NULL DEFAULT '[]',
    error text NOT NULL DEFAULT '',
    body_sha256 bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (workflow_id, stage, revision),
    FOREIGN KEY (workflow_id, tenant) REFERENCES workflows (id, tenant),
    CHECK ((state = 'completed') = (artifact_sha256 IS NOT NULL)),
    CHECK ((artifact_sha256 IS NULL) = (artifact_length IS NULL))
);
CREATE INDEX foreign_drops_artifact ON foreign_drops (tenant, artifact_sha256) WHERE artifact_sha256 IS NOT NULL;

ALTER TABLE foreign_drops ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON foreign_drops FOR SELECT TO ql_worker USING (true);
CREATE POLICY gateway ON foreign_drops TO ql_gateway USING (tenant = nullif(current_setting('ql.tenant', true), ''));
GRANT SELECT ON foreign_drops TO ql_worker;
GRANT SELECT, INSERT ON foreign_drops TO ql_gateway;

-- `stage` of an event names whose duty it is to publish it: what stages of others tell is published like the lifecycle.
CREATE FUNCTION gateway_may_relate(wanted events) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT starts_with(wanted.subject, 'ql.evt.' || wanted.tenant || '.' || wanted.workflow_id || '.workflow.')
        OR EXISTS (
            SELECT FROM foreign_drops d
            WHERE d.workflow_id = wanted.workflow_id AND d.tenant = wanted.tenant
                AND wanted.id = d.workflow_id || '.' || d.stage || '.' || d.state || '.' || d.revision::text
                AND wanted.subject = 'ql.evt.' || d.tenant || '.' || wanted.id
        )
$$;
REVOKE EXECUTE ON FUNCTION gateway_may_relate(events) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gateway_may_relate(events) TO ql_gateway;
CREATE POLICY relates ON events AS RESTRICTIVE FOR INSERT TO ql_gateway
    WITH CHECK (stage <> 'workflow' OR gateway_may_relate(events));

-- migrate:down

SET LOCAL ROLE ql_owner;
DROP POLICY relates ON events;
DROP FUNCTION gateway_may_relate(events);
DROP TABLE foreign_drops;
