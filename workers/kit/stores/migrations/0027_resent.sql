-- A stream that is made after another one was lost begins above all of that one's sequences: an event whose sequence is
-- lower than first_seq stood in an earlier stream. Those up to resent stand in this one again, or are too old for it.

-- migrate:up

SET LOCAL ROLE ql_owner;

ALTER TABLE stream
    ADD COLUMN first_seq bigint NOT NULL DEFAULT 0,
    ADD COLUMN resent bigint NOT NULL DEFAULT 0;
GRANT SELECT (name, first_seq, resent) ON stream TO ql_gateway;

-- migrate:down

SET LOCAL ROLE ql_owner;
REVOKE SELECT (name, first_seq, resent) ON stream FROM ql_gateway;
ALTER TABLE stream DROP COLUMN first_seq, DROP COLUMN resent;
