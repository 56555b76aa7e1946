-- Which drops lie in a pack: asked of each old pack before it is collected. Many drops share a key, so it stays small
-- (11 MB for a million drops, 24 a pack).

-- migrate:up

CREATE INDEX drops_pack ON drops (artifact_key) WHERE artifact_key LIKE 'packs/%';

-- migrate:down

DROP INDEX drops_pack;
