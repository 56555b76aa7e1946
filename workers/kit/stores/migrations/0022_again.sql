-- What is done a second time: a stream's adoption, for a note that came late, by whichever keeper is there then; and work
-- whose drop a fork took from the memo, which is asked for again as it was asked for there.

-- migrate:up

SET LOCAL ROLE ql_owner;

ALTER TABLE stream ADD COLUMN again_at timestamptz;

-- The revision at which the work was done; NULL where that is the drop's own.
ALTER TABLE drops ADD COLUMN memo_of integer CHECK (memo_of > 0);

-- migrate:down

SET LOCAL ROLE ql_owner;
ALTER TABLE drops DROP COLUMN memo_of;
ALTER TABLE stream DROP COLUMN again_at;
