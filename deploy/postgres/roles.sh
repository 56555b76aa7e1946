#!/bin/sh
# The three roles of the first migration and the database, before the server is opened (PostgreSQL image's initdb.d).
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv owner OWNER_PASSWORD
\getenv worker WORKER_PASSWORD
\getenv gateway GATEWAY_PASSWORD
CREATE ROLE ql_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD :'owner';
CREATE ROLE ql_worker LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD :'worker';
CREATE ROLE ql_gateway LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD :'gateway';
CREATE DATABASE quantumlayer OWNER ql_owner;
SQL
