"""The embedded stack: real NATS, PostgreSQL and S3 servers from wheels, on loopback, with data under one folder."""
