-- The worker processes that live, oldest first: work that waits for models is offered to the first that has room. Only a
-- preference: who is missing here, or is told another rank than it has, works all the same.

-- migrate:up

SET LOCAL ROLE ql_owner;

CREATE TABLE ranks (
    process text COLLATE "C" PRIMARY KEY,
    stages text[] NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    until timestamptz NOT NULL
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON ranks TO ql_worker;

-- migrate:down

SET LOCAL ROLE ql_owner;
DROP TABLE ranks;
