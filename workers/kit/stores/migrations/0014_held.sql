-- A tenant sees what the calls that run now hold of its limits; row-level security shows it its own alone.

-- migrate:up

SET LOCAL ROLE ql_owner;
GRANT SELECT ON calls_running TO ql_gateway;

-- migrate:down

SET LOCAL ROLE ql_owner;
REVOKE SELECT ON calls_running FROM ql_gateway;
