-- What one process does for all of its kind, and when the next one may: a look for rows that nobody has begun reads every
-- active workflow, so the workers of a stage take turns.

-- migrate:up

SET LOCAL ROLE ql_owner;

CREATE TABLE duties (
    name text COLLATE "C" PRIMARY KEY,
    due_at timestamptz NOT NULL
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON duties TO ql_worker;

-- migrate:down

DROP TABLE duties;
