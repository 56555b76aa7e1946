"""Where things are kept: drops (PostgreSQL), artifacts (S3), the ledger; each with a memory twin for unit tests."""
