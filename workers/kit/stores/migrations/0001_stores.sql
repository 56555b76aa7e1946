-- The tables of design.md section 6, the three roles and row-level security.
-- Ids of workflows compare by bytes (COLLATE "C"): a ULID begins with its time.

-- migrate:up

-- Roles belong to the whole server and databases are made side by side, so another migration may be quicker.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['ql_owner', 'ql_worker', 'ql_gateway'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
    IF NOT has_schema_privilege('ql_owner', 'public', 'CREATE') THEN
        GRANT CREATE ON SCHEMA public TO ql_owner;
    END IF;
END $$;

ALTER TABLE schema_migrations OWNER TO ql_owner;
SET LOCAL ROLE ql_owner;
GRANT USAGE ON SCHEMA public TO ql_worker, ql_gateway;

CREATE TABLE tenants (
    tenant text COLLATE "C" PRIMARY KEY CHECK (tenant <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO tenants (tenant) VALUES ('default');

CREATE TABLE workflows (
    id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL CHECK (tenant <> ''),
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'completed', 'failed', 'cancelled', 'expired')),
    prompt text NOT NULL,
    language text NOT NULL,
    body_sha256 bytea NOT NULL,
    idempotency_key text,
    parent text COLLATE "C",
    budget numeric,
    deadline timestamptz NOT NULL,
    traceparent text NOT NULL DEFAULT '',
    error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    ended_at timestamptz
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX workflows_idempotency ON workflows (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX workflows_newest ON workflows (tenant, id DESC);
CREATE INDEX workflows_active ON workflows (id) WHERE state = 'active';
CREATE INDEX workflows_deadline ON workflows (deadline) WHERE state = 'active';

-- A heartbeat changes lease_until only, which no index holds: it stays on its page (HOT).
CREATE TABLE drops (
    workflow_id text COLLATE "C" NOT NULL REFERENCES workflows (id),
    stage text COLLATE "C" NOT NULL,
    revision integer NOT NULL CHECK (revision > 0),
    unit text COLLATE "C" NOT NULL DEFAULT '',
    id text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        workflow_id || '.' || stage || '.' || revision::text || CASE unit WHEN '' THEN '' ELSE '.' || unit END
    ) STORED,
    tenant text COLLATE "C" NOT NULL,
    state text NOT NULL CHECK (
        state IN ('running', 'retry', 'completed', 'rejected', 'failed', 'superseded', 'closed')
    ),
    epoch integer NOT NULL,
    attempts integer NOT NULL,
    lease_until timestamptz,
    retry_at timestamptz,
    memo_key bytea,
    artifact_key text,
    artifact_offset bigint,
    artifact_length bigint,
    artifact_sha256 text,
    media_type text NOT NULL DEFAULT '',
    inputs jsonb NOT NULL DEFAULT '[]',
    opens integer,
    target text,
    unmet boolean NOT NULL DEFAULT false,
    error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (workflow_id, stage, revision, unit)
) WITH (fillfactor = 75);
CREATE UNIQUE INDEX drops_opens ON drops (workflow_id, opens) WHERE opens IS NOT NULL;
CREATE INDEX drops_open ON drops (stage, workflow_id) WHERE state IN ('running', 'retry');
CREATE INDEX drops_artifact ON drops (tenant, artifact_sha256) WHERE artifact_sha256 IS NOT NULL;

CREATE TABLE events (
    workflow_id text COLLATE "C" NOT NULL REFERENCES workflows (id),
    id text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL,
    published_seq bigint,
    PRIMARY KEY (workflow_id, id)
) PARTITION BY RANGE (workflow_id);
CREATE TABLE events_default PARTITION OF events DEFAULT;
ALTER TABLE events_default ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE INDEX events_unpublished ON events (stage, created_at) WHERE published_seq IS NULL;
CREATE INDEX events_published ON events (published_seq) WHERE published_seq IS NOT NULL;

CREATE TABLE ledger (
    tenant text COLLATE "C" NOT NULL,
    question bytea NOT NULL CHECK (octet_length(question) = 32),
    model text NOT NULL,
    answer bytea NOT NULL CHECK (octet_length(answer) <= 4194304),
    finish_reason text NOT NULL,
    tokens_in integer NOT NULL,
    tokens_out integer NOT NULL,
    cost numeric NOT NULL,
    workflow_id text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, question)
);
ALTER TABLE ledger ALTER answer SET STORAGE EXTERNAL;

CREATE TABLE usage (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    workflow_id text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL,
    question bytea NOT NULL,
    model text NOT NULL,
    tokens_in integer NOT NULL,
    tokens_out integer NOT NULL,
    cost numeric NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX usage_workflow ON usage (tenant, workflow_id);

CREATE TABLE dead_letters (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    workflow_id text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL,
    subject text NOT NULL,
    headers text NOT NULL,
    body bytea NOT NULL CHECK (octet_length(body) <= 65536),
    sha256 text NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE webhooks (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    url text NOT NULL,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

-- Which stream the sequences in events.published_seq belong to.
CREATE TABLE stream (
    name text PRIMARY KEY,
    created text NOT NULL,
    adopted_at timestamptz NOT NULL
);

-- Workers serve all tenants; the gateway one, named in each transaction. The setting is '' after the first
-- transaction that set it, and NULL before: both see nothing.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'tenants', 'workflows', 'drops', 'events', 'ledger', 'usage', 'dead_letters', 'audit', 'api_keys', 'webhooks'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY worker ON %I TO ql_worker USING (true) WITH CHECK (true)', name);
        EXECUTE format(
            'CREATE POLICY gateway ON %I TO ql_gateway USING (tenant = nullif(current_setting(%L, true), %L))',
            name, 'ql.tenant', ''
        );
    END LOOP;
END $$;

GRANT SELECT ON tenants, workflows, drops, events, ledger, usage, dead_letters, stream TO ql_worker;
GRANT INSERT ON drops, events, ledger, usage, dead_letters, stream TO ql_worker;
GRANT UPDATE (state, error, ended_at) ON workflows TO ql_worker;
GRANT UPDATE (published_seq) ON events TO ql_worker;
GRANT UPDATE ON drops, stream TO ql_worker;
GRANT SELECT ON workflows, drops, events TO ql_gateway;
GRANT INSERT ON workflows, events TO ql_gateway;
GRANT UPDATE (published_seq) ON events TO ql_gateway;

-- The first ten characters of every ULID made at or after `moment`.
CREATE FUNCTION ulid_prefix(moment timestamptz) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT string_agg(
        substr(
            '0123456789ABCDEFGHJKMNPQRSTVWXYZ',
            ((((extract(epoch FROM moment) * 1000)::bigint >> (5 * place)) & 31) + 1)::int,
            1
        ),
        '' ORDER BY place DESC
    )
    FROM generate_series(0, 9) AS place
$$;

-- Makes the partitions of this month and the `ahead` next ones; a month whose events already lie in the default
-- partition stays there. The migrator calls it at every run.
CREATE FUNCTION make_event_partitions(ahead integer) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    month timestamptz;
    name text;
    low text;
    high text;
BEGIN
    FOR step IN 0..ahead LOOP
        month := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => step)) AT TIME ZONE 'UTC';
        name := 'events_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM');
        low := ulid_prefix(month);
        high := ulid_prefix((month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        ALTER TABLE events_default NO FORCE ROW LEVEL SECURITY;
        IF NOT EXISTS (SELECT FROM events_default WHERE workflow_id >= low AND workflow_id < high) THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF events FOR VALUES FROM (%L) TO (%L)', name, low, high);
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
            RETURN NEXT name;
        END IF;
        ALTER TABLE events_default FORCE ROW LEVEL SECURITY;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION ulid_prefix, make_event_partitions FROM PUBLIC;

-- migrate:down

DROP FUNCTION make_event_partitions, ulid_prefix;
DROP TABLE stream, webhooks, api_keys, audit, dead_letters, usage, ledger, events, drops, workflows, tenants;
