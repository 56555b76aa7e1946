"""ql llm off, on, switches: providers that are not asked, for one's own tenant by the gateway, for others' as operator.

An operator is who may use the workers' database role: by QL_DATABASE_URL, or as the user that runs ql up.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from gateway.cli import connect
from gateway.cli.client import Client
from gateway.cli.exits import FAILED, USAGE, CliError
from gateway.cli.listing import listed
from workers.kit.llm.wire import PROVIDERS

if TYPE_CHECKING:
    from workers.kit.stores.switchboard import SwitchBoard

T = TypeVar("T")


def list_(as_json: bool) -> None:
    """Print what is off."""
    columns = {"PROVIDER": "{provider}", "TENANT": "{tenant}", "SINCE": "{created_at:.19}", "REASON": "{reason}"}
    listed("/v1/llm/switches", columns, as_json)


def off(provider: str, reason: str, tenant: str) -> None:
    """Switch it off."""
    _check(provider)
    if provider not in {*PROVIDERS, "*"}:
        said = f"{provider} is no provider that a router asks; there are {', '.join(PROVIDERS)}, and '*' for all"
        raise CliError(said, USAGE, "provider")
    if tenant:
        _as_operator(tenant, lambda board: board.turn_off(tenant, provider, reason))
    else:
        with Client(connect.known_gateway()) as client:
            client.put(f"/v1/llm/switches/{quote(provider)}", {"reason": reason})
    sys.stderr.write(f"{provider} is not asked any more, within 2 s; undo it: ql llm on {provider}{_of(tenant)}\n")


def on(provider: str, tenant: str) -> None:
    """Let it be asked again."""
    _check(provider)
    if tenant:
        if not _as_operator(tenant, lambda board: board.turn_on(tenant, provider)):
            raise CliError(f"{provider} is not switched off for {tenant}", FAILED, "not_switched_off")
    else:
        with Client(connect.known_gateway()) as client:
            client.delete(f"/v1/llm/switches/{quote(provider)}")
    sys.stderr.write(f"{provider} may be asked again, within 2 s\n")


def _check(provider: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,63}|\*", provider):
        raise CliError(
            f"{provider!r} is no provider: write what stands before the slash in QL_MODELS", USAGE, "provider"
        )


def _of(tenant: str) -> str:
    return f" --tenant '{tenant}'" if tenant else ""


def _as_operator(tenant: str, act: Callable[[SwitchBoard], Awaitable[T]]) -> T:
    from deploy.local.factory import data_folder
    from deploy.local.stack import servers
    from workers.kit.stores.drops import StoreDown
    from workers.kit.stores.pg import open_pool
    from workers.kit.stores.switchboard import SwitchBoard

    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}|\*", tenant):
        raise CliError(f"{tenant!r} is no tenant", USAGE, "tenant")
    found = connect.settings()
    dsn = found.database_url or servers(data_folder(found)).worker
    if not dsn:
        said = "--tenant is an operator's: set QL_DATABASE_URL for the role ql_worker, or run ql up here"
        raise CliError(said, USAGE, "settings")

    async def run() -> T:
        pool = await open_pool(dsn, 1)
        try:
            return await act(SwitchBoard(pool))
        finally:
            await pool.close()

    try:
        return asyncio.run(run())
    except StoreDown as error:
        raise CliError(f"the database can't be used: {error}", FAILED, "store_down") from error
