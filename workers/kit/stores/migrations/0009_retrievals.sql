-- Which workflows were told examples of earlier ones, and which were held out to compare with.

-- migrate:up

SET LOCAL ROLE ql_owner;

CREATE TABLE retrievals (
    workflow_id text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL CHECK (tenant <> ''),
    arm text NOT NULL CHECK (arm IN ('examples', 'held_out', 'away')),
    found integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workflow_id, stage)
);
CREATE INDEX retrievals_tenant ON retrievals (tenant, workflow_id);

ALTER TABLE retrievals ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON retrievals TO ql_worker USING (true) WITH CHECK (true);
CREATE POLICY gateway ON retrievals TO ql_gateway USING (tenant = nullif(current_setting('ql.tenant', true), ''));
GRANT SELECT, INSERT ON retrievals TO ql_worker;
GRANT SELECT ON retrievals TO ql_gateway;

-- migrate:down

SET LOCAL ROLE ql_owner;
DROP TABLE retrievals;
