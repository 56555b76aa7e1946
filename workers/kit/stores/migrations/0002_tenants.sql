-- A row belongs to its workflow's tenant, an event is told under it, and the gateway only begins workflows:
-- row-level security alone lets one tenant's transaction add a row to another tenant's workflow.

-- migrate:up

SET LOCAL ROLE ql_owner;

ALTER TABLE workflows ADD CONSTRAINT workflows_of_tenant UNIQUE (id, tenant);
ALTER TABLE drops DROP CONSTRAINT drops_workflow_id_fkey;
ALTER TABLE drops ADD CONSTRAINT drops_of_tenant FOREIGN KEY (workflow_id, tenant) REFERENCES workflows (id, tenant);
ALTER TABLE events DROP CONSTRAINT events_workflow_id_fkey;
ALTER TABLE events ADD CONSTRAINT events_of_tenant FOREIGN KEY (workflow_id, tenant) REFERENCES workflows (id, tenant);
ALTER TABLE events ADD CONSTRAINT events_subject
    CHECK (starts_with(subject, 'ql.evt.' || tenant || '.' || workflow_id || '.'));

CREATE POLICY begins ON workflows AS RESTRICTIVE FOR INSERT TO ql_gateway WITH CHECK (state = 'active');
CREATE POLICY begins ON events AS RESTRICTIVE FOR INSERT TO ql_gateway WITH CHECK (stage = 'workflow');

-- migrate:down

DROP POLICY begins ON events;
DROP POLICY begins ON workflows;
ALTER TABLE events DROP CONSTRAINT events_subject, DROP CONSTRAINT events_of_tenant;
ALTER TABLE events ADD FOREIGN KEY (workflow_id) REFERENCES workflows (id);
ALTER TABLE drops DROP CONSTRAINT drops_of_tenant, ADD FOREIGN KEY (workflow_id) REFERENCES workflows (id);
ALTER TABLE workflows DROP CONSTRAINT workflows_of_tenant;
