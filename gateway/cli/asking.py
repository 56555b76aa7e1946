"""ql llm calls, call, models, test: who is asked, and who answers."""

from __future__ import annotations

import sys
import time
import uuid
from typing import Any

from gateway.cli import connect, output
from gateway.cli.client import Client, Json
from gateway.cli.exits import FAILED, USAGE, CliError
from gateway.cli.listing import Columns, listed, show
from workers.kit.prompts.block import with_block
from workers.kit.settings import PROVIDER_KEYS

BUILT_IN = "blueprint"
BLUEPRINT = f"{BUILT_IN}/default"
ONLY_BUILT_IN = ": the built-in rule-based stand-in, as no provider is configured"
ASKED = "Reply with the one word: ready"
PATIENCE_S = 330.0
"""A model may take five minutes (QL_MODEL_S)."""
STARTED_S = 20.0
LOG = "The log of llm_router says why: perhaps which key or endpoint is missing."
_PREFIXES = {"bedrock": "AWS"}
_STATES = {"closed": "well", "open": "left out", "probing": "being tried"}


def calls(which: dict[str, str], limit: int, as_json: bool) -> None:
    """Print the newest calls."""
    columns: Columns = {
        "CALL": "{id}",
        "CREATED": "{created_at:.19}",
        "STAGE": "{stage}",
        "ROLE": "{role}",
        "MODEL": "{model}",
        "OUTCOME": "{outcome}",
        "TOKENS IN/OUT": "{tokens_in}/{tokens_out}",
        "USD": "{cost:.4f}",
        "MS": "{latency_ms}",
        "NOTE": _note,
    }
    listed("/v1/llm/calls", columns, as_json, limit=limit, **which)


def _note(row: Json) -> str:
    """Why, in as few words as its column shows."""
    tried = "; ".join(f"{one['model']}: {one['error']}" for one in row["tried"])
    if row["outcome"] != "failed":
        return f"after {tried}" if tried else row["detail"]
    return row["detail"] if row["code"] == "over_budget" else tried or row["detail"]


def call(id_: str, as_json: bool) -> None:
    """Print one with its question and answer."""
    if not id_.isdigit():
        raise CliError(f"{id_!r} is no call's id; see: ql llm calls", USAGE, "id")
    with Client(connect.known_gateway()) as client:
        found = client.get(f"/v1/llm/calls/{id_}")
    if as_json:
        output.as_json(found)
        return
    told = f"{found['outcome']} by {found['model'] or 'nobody'}, {found['latency_ms']} ms, {found['cost']:.4f} USD"
    lines = [
        f"{found['id']}  {told}  created {found['created_at'][:19]}",
        f"workflow: {found['workflow']}  {found['stage']} {found['task']} as {found['role'] or 'nobody special'}",
        f"ledger:   {found['question']}",
        *(f"tried:    {one['model']}: {one['error']}" for one in found["tried"]),
        *([f"detail:   {found['detail']}"] if found["detail"] else []),
        *(f"context:  {_piece(one)}" for one in found["pieces"]),
        f"asked:    {found['asked'] or 'the ledger does not hold it'}",
        f"answer:\n{found['answer'] or 'the ledger does not hold one'}",
    ]
    sys.stdout.writelines(output.plain(line) + "\n" for line in lines)


def _piece(one: dict[str, Any]) -> str:
    left_out = "  left out: no room" if one.get("left_out") else ""
    return f"{one['name']}  {one['tokens']} tokens  {one['sha256'][:12]}{left_out}"


def _price(one: dict[str, Any]) -> str:
    """A model without a price must not look like a free one."""
    if one["provider"] != "blueprint" and not one["cost_in"] and not one["cost_out"]:
        return "no price: budgets do not hold"
    return f"{one['cost_in'] * 1e6:g}/{one['cost_out'] * 1e6:g}"


def models(as_json: bool) -> None:
    """Print all models with their health."""
    with Client(connect.known_gateway()) as client:
        found = client.get("/v1/llm/models")
    if as_json:
        output.as_json(found)
        return
    columns: Columns = {
        "MODEL": "{name}",
        "GROUPS": lambda one: ",".join(one["groups"]),
        "STATE": lambda one: str(_STATES.get(one["state"], one["state"])),
        "USD IN/OUT A MILLION": _price,
        "CONTEXT": lambda one: str(one["context"] or "?"),
        "NOTE": lambda one: "{error} (again in {again_s:.0f} s)".format_map(one) if one["again_s"] else one["error"],
    }
    show(found["models"], columns, as_json=False)
    sys.stderr.write(f"embeddings: {found['embeddings'] or 'the built-in hashing ones'}\n")


def try_(name: str, as_json: bool) -> None:
    """Ask each model by itself and print what came of it; exit status 1 when one does not answer."""
    with connect.any_gateway() as url, Client(url) as client:
        known: list[Json] = known_models(client)["models"]
        chosen = [one for one in known if not name or name == one["name"] or name in one["groups"]]
        if not chosen:
            names = ", ".join(one["name"] for one in known)
            raise CliError(f"QL_MODELS names no model or group {name!r}; it has {names}", USAGE, "model")
        results = [_tried(client, one, known) for one in chosen]
    columns: Columns = {
        "MODEL": "{model}",
        "VERDICT": lambda one: "answers" if one["ok"] else "FAILS",
        "MS": "{ms}",
        "USD": "{cost:.5f}",
        "NOTE": "{said}",
    }
    show(results, columns, as_json)
    if not as_json:
        for one in results:
            if one["advice"]:
                sys.stderr.write(output.plain(f"{one['model']}: {one['said']}\n    -> {one['advice']}") + "\n")
    failed = sum(not one["ok"] for one in results)
    if failed:
        raise CliError(f"{failed} of {len(results)} models do not answer", FAILED, "models", told=as_json)


def known_models(client: Client) -> Json:
    """The routers' models; a router that was started a moment ago imports for seconds before it answers."""
    until = time.monotonic() + STARTED_S
    while True:
        try:
            return client.get("/v1/llm/models")
        except CliError as error:
            if error.code != "router_down":
                raise
            if time.monotonic() > until:
                raise CliError(f"{error} {LOG}", FAILED, error.code) from None
        time.sleep(0.25)


def _tried(client: Client, model: Json, known: list[Json]) -> dict[str, Any]:
    """What this model says to a question that nobody has asked before, and no other model may answer."""
    group = model["groups"][0]
    others = sorted({one["name"] for one in known if group in one["groups"]} - {model["name"]})
    asked = {
        "prompt": _question(model["provider"]),
        "group": "" if group == "default" else group,
        "skip": others,
        "max_tokens": 256,
        "nonce": uuid.uuid4().hex,
    }
    began = time.monotonic()
    told: dict[str, Any] = {"model": model["name"], "ok": False, "cost": 0.0, "advice": ""}
    try:
        said = client.post("/v1/llm/generate", asked, patience_s=PATIENCE_S)
        told |= {"ok": True, "cost": said["cost"], "said": said["text"].strip()[:80]}
    except CliError as error:
        if error.code == "unreachable":
            raise
        told |= {"said": str(error), "advice": _advice(model["provider"], error)}
    return told | {"ms": round((time.monotonic() - began) * 1000)}


def _question(provider: str) -> str:
    """The built-in model answers our own stages' questions only."""
    if provider != BUILT_IN:
        return ASKED
    inputs = {"submission": {"prompt": "A REST API for books with a title.", "language": "python"}}
    return with_block("Answer as JSON.", "prompt_enhancement", inputs)


def _advice(provider: str, error: CliError) -> str:
    if error.code == "router_down":
        return LOG
    if error.code == "switched_off":
        return f"ql llm on {provider}"
    if any(f" {status}:" in str(error) for status in (401, 403)):
        prefix = _PREFIXES.get(provider, provider.upper())
        keys = sorted(key for key in PROVIDER_KEYS if key.startswith(f"{prefix}_") and not key.endswith("_FILE"))
        names = ", ".join(keys)
        return f"set {names} for ql up (or the same with _FILE, naming a file that holds it) and start it again"
    if "connection" in str(error).lower():
        return "is its endpoint right (QL_MODELS), and is it up?"
    return ""
