"""All settings of a process: read once at the entry point from QL_… variables, frozen, passed down.

A secret may be given as a file: QL_DATABASE_URL_FILE names one that holds the value of QL_DATABASE_URL.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

PROVIDER_KEYS = frozenset(
    f"{name}{suffix}"
    for name in (
        "OPENAI_API_KEY",
        "AZURE_API_KEY",
        "ANTHROPIC_API_KEY",
        "GROQ_API_KEY",
        "OLLAMA_API_KEY",
        "VLLM_API_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_BEARER_TOKEN_BEDROCK",
    )
    for suffix in ("", "_FILE")
)
"""Variables with the keys of model providers: for the model router's process and no other."""


class SettingsError(Exception):
    """A setting is unknown, missing or wrong; the message names it and says what to do."""


class Settings(BaseModel):
    """One object a process. URLs left empty mean: the embedded stack's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nats_url: str = Field(default="", description="NATS server, 2.12 or later, nats://user:password@host:port")
    database_url: str = Field(default="", description="PostgreSQL, for the role the process runs as (ql up: ql_worker)")
    gateway_database_url: str = Field(
        default="", description="PostgreSQL for ql_gateway; ql up needs it beside QL_DATABASE_URL"
    )
    owner_database_url: str = Field(
        default="", description="PostgreSQL for ql_owner; ql up migrates with it where it is set"
    )
    s3_url: str = Field(default="", description="S3 endpoint with its keys, http://ACCESS:SECRET@host:port")
    s3_bucket: str = Field(
        default="quantumlayer", min_length=3, max_length=63, description="Bucket of artifacts and capsules"
    )
    qdrant_url: str = Field(
        default="", description="Qdrant server, http://:KEY@host:port; files below QL_DATA when empty"
    )
    otlp_url: str = Field(default="", description="OTLP collector; telemetry is exported only when set")
    data: Path | None = Field(default=None, description="Folder of wheelhouse, sandbox runtime and embedded stack")
    gateway_url: str = Field(default="", description="Gateway that ql talks to; the running embedded one when empty")
    http_host: str = Field(default="127.0.0.1", description="Address the gateway listens on")
    http_port: int = Field(default=8080, ge=0, le=65535, description="Port the gateway listens on; 0 takes a free one")
    models: str = Field(
        default="blueprint/default",
        description="Models, best first, each <provider>/<model>[@<url>]; after a semicolon <group>=<models> each",
    )
    model_limits: str = Field(
        default="",
        description="What a model, or all of a provider's together, take a minute from all routers: "
        "<provider or model>=<n>rpm,<n>tpm; …",
    )
    model_prices: str = Field(
        default="",
        description="US dollars a million tokens, where litellm's list has none: <model>=<read>/<written>; …",
    )
    model_contexts: str = Field(
        default="",
        description="Tokens a model takes, where litellm's list is silent; an Ollama model is told: <model>=<n>; …",
    )
    embeddings: str = Field(default="", description="Model for embeddings; the built-in hashing one when empty")
    model_s: float = Field(default=300, gt=0, description="Seconds a model may take for one answer")
    model_silence_s: float = Field(
        default=60, gt=0, description="Seconds a model that streams its answer may be silent"
    )
    model_streams: int = Field(
        default=16,
        ge=0,
        description="Watched answers a router streams at once; all others come whole (each piece costs 0.4 ms of CPU)",
    )
    tenant_requests_minute: int = Field(
        default=60_000, ge=0, description="Requests one tenant may send in a minute, to each gateway; 0: any number"
    )
    tenant_calls: int = Field(
        default=0, ge=0, description="Calls to models one tenant may have at once, on each router; 0: any number"
    )
    tenant_calls_minute: int = Field(
        default=0, ge=0, description="Calls to models one tenant may begin in a minute, on all routers; 0: any number"
    )
    learning_holdout: float = Field(
        default=0.1, ge=0, le=1, description="Share of workflows that get no examples, to compare with"
    )
    webhook_private: bool = Field(
        default=False,
        description="Webhooks may go to addresses that only this network reaches, and by http without TLS",
    )
    llm_silence_s: float = Field(
        default=10, gt=0, description="Seconds of silence after which a model call is given up"
    )
    llm_strict: bool = Field(
        default=False, description="Only the ledger may answer: a replay stops at the first question that it lacks"
    )
    ack_wait_s: float = Field(default=30, gt=0, description="Seconds until NATS sends an unacknowledged message again")
    heartbeat_s: float = Field(default=10, gt=0, description="Seconds between two signs of life of a running stage")
    lease_s: float = Field(default=45, gt=0, description="Seconds a claim holds without a sign of life")
    attempts: int = Field(default=5, ge=1, description="Attempts at one drop before it is a dead letter")
    deadline_s: float = Field(default=3600, gt=0, description="Seconds a workflow may take")
    slots: int = Field(
        default=128, ge=1, description="Workflows a stage works on at once, a process; 32 where it computes here"
    )
    sweep_s: float = Field(default=2, gt=0, description="Seconds between two looks of the sweeper; see runner.sweeper")
    tenant_active: int = Field(
        default=500,
        ge=1,
        description="Workflows of one tenant on the bus at once; more wait their turn in PostgreSQL. "
        "With fewer than QL_SLOTS another tenant hardly waits behind them",
    )
    health_host: str = Field(
        default="127.0.0.1",
        description="Address of /livez and /readyz of a process, which ask nobody for a password: keep it inside",
    )
    health_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port of /livez, and of a worker's /readyz, for one process an address; 0 opens none",
    )
    memory_limit: int = Field(
        default=0,
        ge=0,
        description="Bytes of memory of its own above which a worker takes no new work; "
        "0: 80 % of its container's, or of the machine's",
    )
    grace_s: float = Field(
        default=20, gt=0, description="Seconds a stopping worker may take; its work may finish in 70 % of them"
    )
    nats_sync: str = Field(default="1s", pattern="^(always|[0-9]+(ms|s|m))$", description="JetStream sync_interval")
    nats_max_bytes: int = Field(
        default=8 << 30, ge=1 << 20, description="Bytes the event stream may hold; a full one refuses and drops nothing"
    )
    crash: str = Field(
        default="",
        pattern=r"^([a-z_0-9*]+:[a-z_0-9]+:/.+)?$",
        description="Tests only: <stage>:<point>:<file> kills this process at that point of the protocol, once",
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="Least level logged")


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in the environment; raises `SettingsError` in one sentence for each thing that is wrong."""
    environ = os.environ if environ is None else environ
    given = {name: value for name, value in environ.items() if name.startswith("QL_")}
    values: dict[str, str] = {}
    for name, value in given.items():
        key = name.removeprefix("QL_").lower()
        if key.endswith("_file"):
            key = key.removesuffix("_file")
            value = from_file(name, value)
        values[key] = value
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_sentences(error)) from None


def from_file(name: str, path: str) -> str:
    """What the file holds that variable `name` names; raises `SettingsError`."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{name} names a file that can't be read: {error}") from None


def _sentences(error: ValidationError) -> str:
    def sentence(kind: str, name: str, message: str) -> str:
        if kind == "extra_forbidden":
            return f"QL_{name.upper()} is no setting; see docs/reference/settings.md"
        return f"QL_{name.upper()}: {message}"

    return "; ".join(sentence(e["type"], str(e["loc"][0]), e["msg"]) for e in error.errors(include_input=False))
