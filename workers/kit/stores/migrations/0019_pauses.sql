-- Stages that take no work now, for anybody: an operator's maintenance.

-- migrate:up

SET LOCAL ROLE ql_owner;

CREATE TABLE pauses (
    stage text COLLATE "C" PRIMARY KEY CHECK (stage <> ''),
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON pauses TO ql_worker;
GRANT SELECT, INSERT, DELETE ON pauses TO ql_gateway;

-- migrate:down

SET LOCAL ROLE ql_owner;
DROP TABLE pauses;
