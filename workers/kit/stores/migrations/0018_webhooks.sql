-- Webhooks: which events, with which secrets, and every delivery. A secret is written by the gateway and read by workers
-- only; a delivery's id is the event's, so an event that is told twice is delivered once.

-- migrate:up

SET LOCAL ROLE ql_owner;

ALTER TABLE webhooks
    DROP COLUMN secret,
    ADD COLUMN types text[] NOT NULL,
    ADD COLUMN disabled_at timestamptz,
    ADD COLUMN disabled_reason text NOT NULL DEFAULT '',
    ADD CONSTRAINT webhooks_url CHECK (octet_length(url) <= 2000);

CREATE TABLE webhook_secrets (
    tenant text COLLATE "C" NOT NULL,
    webhook text COLLATE "C" NOT NULL,
    secret bytea NOT NULL CHECK (octet_length(secret) BETWEEN 24 AND 64),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    until timestamptz,
    PRIMARY KEY (tenant, webhook, created_at),
    FOREIGN KEY (tenant, webhook) REFERENCES webhooks (tenant, id) ON DELETE CASCADE
);

CREATE TABLE webhook_deliveries (
    tenant text COLLATE "C" NOT NULL,
    webhook text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    type text NOT NULL,
    body bytea NOT NULL CHECK (octet_length(body) <= 20000),
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    tries integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    tried_at timestamptz,
    status integer,
    error text NOT NULL DEFAULT '',
    answer text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, webhook, id),
    FOREIGN KEY (tenant, webhook) REFERENCES webhooks (tenant, id) ON DELETE CASCADE
) WITH (fillfactor = 80);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (tenant, webhook, next_at) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (tenant, webhook, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_oldest ON webhook_deliveries (created_at);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['webhook_secrets', 'webhook_deliveries'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY worker ON %I TO ql_worker USING (true) WITH CHECK (true)', name);
        EXECUTE format(
            'CREATE POLICY gateway ON %I TO ql_gateway USING (tenant = nullif(current_setting(%L, true), %L))',
            name, 'ql.tenant', ''
        );
    END LOOP;
END $$;

GRANT SELECT ON webhooks, webhook_secrets, webhook_deliveries TO ql_worker;
GRANT UPDATE (disabled_at, disabled_reason) ON webhooks TO ql_worker;
GRANT INSERT, UPDATE, DELETE ON webhook_deliveries TO ql_worker;
GRANT SELECT, INSERT, DELETE ON webhooks TO ql_gateway;
GRANT UPDATE (disabled_at, disabled_reason) ON webhooks TO ql_gateway;
GRANT SELECT (tenant, webhook, created_at, until), INSERT, UPDATE (until), DELETE ON webhook_secrets TO ql_gateway;
GRANT SELECT, INSERT ON webhook_deliveries TO ql_gateway;
GRANT UPDATE (state, tries, next_at) ON webhook_deliveries TO ql_gateway;

-- migrate:down

SET LOCAL ROLE ql_owner;
DROP TABLE webhook_deliveries, webhook_secrets;
DELETE FROM webhooks;
ALTER TABLE webhooks
    DROP CONSTRAINT webhooks_url, DROP COLUMN types, DROP COLUMN disabled_at, DROP COLUMN disabled_reason,
    ADD COLUMN secret bytea NOT NULL;
