-- What the gateway's role may say in events: of a workflow that it begins, goes on with or ends, never that one has
-- completed or failed; under the event's own name; and where an event stands, once. A drop that it copies tells from which
-- revision, since only the first one can be made again elsewhere.

-- migrate:up

SET LOCAL ROLE ql_owner;

CREATE POLICY own_words ON events AS RESTRICTIVE FOR INSERT TO ql_gateway WITH CHECK (
    published_seq IS NULL AND subject = 'ql.evt.' || tenant || '.' || id AND (
        NOT starts_with(id, workflow_id || '.workflow.')
        OR id ~ '^[^.]+[.]workflow[.](submitted|resumed|cancelled|expired)[.][1-9][0-9]*$'
    )
);
CREATE POLICY once ON events AS RESTRICTIVE FOR UPDATE TO ql_gateway
    USING (published_seq IS NULL) WITH CHECK (published_seq > 0);

-- The revision of the parent's drop; 0: somebody wrote the artifact; NULL: the drop was made in its own workflow.
ALTER TABLE drops ADD COLUMN copied_of integer CHECK (copied_of >= 0);
CREATE POLICY unworked ON drops AS RESTRICTIVE FOR INSERT TO ql_gateway
    WITH CHECK (epoch = 1 AND attempts = 0);

-- migrate:down

SET LOCAL ROLE ql_owner;
DROP POLICY unworked ON drops;
ALTER TABLE drops DROP COLUMN copied_of;
DROP POLICY once ON events;
DROP POLICY own_words ON events;
