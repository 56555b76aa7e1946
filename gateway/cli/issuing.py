"""What `ql key nats issue`, `list` and `revoke` do: the file that NATS includes, and a word to the server."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from urllib.parse import urlsplit

from contracts.subscriptions import BadName
from deploy.local import tenants
from deploy.local.errors import StackError
from deploy.local.factory import data_folder
from deploy.local.stack import FOLDERS, NATS, servers
from gateway.cli import connect, output
from gateway.cli.exits import FAILED, USAGE, CliError

ELSEWHERE = (
    "the server reads the file when it is told to, and a new credential at the second time:\n"
    "    docker compose kill --signal HUP nats && sleep 1 && docker compose kill --signal HUP nats\n"
)


def issue(name: str, reads: tuple[str, ...], tenant: str, accounts: Path | None, as_json: bool) -> None:
    """Write it into the file, have the server read it, and print it."""
    file, url = _place(accounts)
    try:
        made, password = tenants.issue(file, tenant, name, reads)
        _apply(file, url)
    except BadName as error:
        raise CliError(str(error), USAGE, "name") from error
    except StackError as error:
        raise CliError(str(error), FAILED, "nats") from error
    told = {
        "name": name,
        "user": made.user,
        "password": password,
        "inbox_prefix": f"_INBOX_{made.user}",
        "durables": list(made.durables),
        "results": f"ql.res.{tenant}.>",
        "server": f"nats://{urlsplit(url).hostname}:{urlsplit(url).port}" if url else "",
    }
    if as_json:
        output.as_json(told)
    else:
        reading = " ".join(made.durables)
        sys.stdout.write(
            f"server:       {told['server'] or 'yours'}\nuser:         {made.user}\npassword:     {password}\n"
        )
        sys.stdout.write(f"inbox prefix: {told['inbox_prefix']}\nJS domain:    QL\nreads:        {reading}\n")
        sys.stdout.write(f"hears:        {told['results']}\n")
    sys.stderr.write("the password is not kept anywhere; note it down\n" + ("" if url else ELSEWHERE))


def list_(tenant: str, accounts: Path | None, as_json: bool) -> None:
    """Print the tenant's."""
    file, _ = _place(accounts)
    try:
        found = tenants.listed(file, tenant)
    except StackError as error:
        raise CliError(str(error), FAILED, "nats") from error
    if as_json:
        output.as_json([{"name": each.name, "user": each.user, "durables": each.durables} for each in found])
        return
    output.table(("NAME", "USER", "READS"), [(each.name, each.user, " ".join(each.durables)) for each in found])


def revoke(name: str, tenant: str, accounts: Path | None) -> None:
    """Out of the file, and have the server read it, even if it was out already: a server may have missed it."""
    file, url = _place(accounts)
    try:
        there = tenants.revoke(file, tenant, name)
        _apply(file, url)
    except BadName as error:
        raise CliError(str(error), USAGE, "name") from error
    except StackError as error:
        raise CliError(str(error), FAILED, "nats") from error
    if not there:
        raise CliError(f"there is no credential {name!r}; see: ql key nats list", FAILED, "credential_not_found")
    sys.stderr.write(f"revoked: {name}\n" + ("" if url else ELSEWHERE))


def _place(accounts: Path | None) -> tuple[Path, str]:
    """The file, and the server's URL when the server is ours to tell."""
    if accounts is not None:
        if not accounts.is_file():
            raise CliError(
                f"there is no file {accounts}; it begins as {{}} and your NATS server includes it", USAGE, "usage"
            )
        return accounts, ""
    settings = connect.settings()
    if settings.nats_url:
        raise CliError(
            "this factory uses a NATS server of yours: name the file it includes in --accounts", USAGE, "usage"
        )
    data = data_folder(settings)
    url = servers(data).nats
    if not url:
        raise CliError("no factory is running here; start one with: ql up", code="none")
    return data / FOLDERS[NATS] / tenants.FILE, url


def _apply(file: Path, url: str) -> None:
    if url:
        from deploy.local.reloading import reload

        asyncio.run(reload(file.parent, url))
