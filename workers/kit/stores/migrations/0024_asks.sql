-- What the stages of one fork ask models in another way: by stage, another model or group, and the text that stands in the
-- place of the task's template. What a person wrote lies here, like the prompt: it can't be made again.

-- migrate:up

SET LOCAL ROLE ql_owner;
ALTER TABLE workflows
    ADD COLUMN asks jsonb,
    ADD CONSTRAINT workflows_asks CHECK (asks IS NULL OR (forked <> '' AND jsonb_typeof(asks) = 'object'));

-- migrate:down

SET LOCAL ROLE ql_owner;
ALTER TABLE workflows DROP CONSTRAINT workflows_asks, DROP COLUMN asks;
