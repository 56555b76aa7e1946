"""Real servers for the keeper: an own NATS server, database and bucket a test."""

from __future__ import annotations

import pytest

from deploy.local.stack import Stack
from tests.flow.noop import Servers
from tests.servers import Database


@pytest.fixture
def servers(stack: Stack, database: Database, bucket: str, nats_url: str) -> Servers:
    return Servers(nats=nats_url, worker=database.worker, gateway=database.gateway, s3=stack.urls.s3, bucket=bucket)
