"""Subscriptions of other systems: a pull durable each, `<tenant>_<name>`, made by the keeper for whoever asks it.

What is said to the keeper and back on `ql.svc.keeper.<call>`, and which names there may be.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

import msgspec

from .subjects import OBSERVERS, BadSubject, token
from .topology import TOPOLOGY

SERVICE = "ql.svc.keeper"
NAME = r"[a-z0-9][a-z0-9-]{0,31}"
"""No `_`: the last one of a durable's name is where its tenant ends."""

Start = Literal["all", "new", "last_per_subject"]
Code = Literal[
    "subscription_not_found", "name_taken", "too_many_subscriptions", "invalid_request", "events_unavailable"
]


class BadName(ValueError):
    """No name for a subscription; the message says why."""


class Subscribe(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for a durable. `sequence` (from 1) or `since` says where it begins; `start` holds when neither is given.

    What is not acknowledged within `ack_wait_s` comes again. `ordered`: nothing comes before the last is acknowledged.
    """

    tenant: str
    name: str
    start: Start = "all"
    sequence: int = 0
    since: datetime | None = None
    workflow: str = ""
    stages: tuple[str, ...] = ()
    ordered: bool = False
    ack_wait_s: int = 30


class Unsubscribe(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for a durable to be deleted."""

    tenant: str
    name: str


class List(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for all durables of a tenant."""

    tenant: str


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One durable. `waiting` events were not delivered yet, `unacknowledged` ones were; `acknowledged` is the sequence
    up to which all are."""

    name: str
    durable: str
    filters: tuple[str, ...]
    created: str
    waiting: int
    unacknowledged: int
    acknowledged: int


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer when it was not done."""

    code: Code
    reason: str


class Done(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer when it was done: the one that was made, none when one was deleted, or all of the tenant's."""

    subscriptions: tuple[Subscription, ...] = ()


def durable(tenant: str, name: str) -> str:
    """The name of the consumer; raises `BadName`."""
    if not re.fullmatch(NAME, name):
        raise BadName(f"{name[:80]!r} is no name: 1 to 32 of a-z 0-9 -, not - first")
    try:
        made = f"{token(tenant)}_{name}"
    except BadSubject as error:
        raise BadName(str(error)) from error
    if made in TOPOLOGY.stages or made in OBSERVERS:
        raise BadName(f"{made!r} is one of our own consumers")
    return made


def name_of(consumer: str, tenant: str) -> str:
    """The subscription's name, '' when this consumer is not one of the tenant's."""
    owner, _, name = consumer.rpartition("_")
    return name if owner == tenant and re.fullmatch(NAME, name) else ""


def filters(tenant: str, workflow: str = "", stages: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What of the stream such a durable hears: never another tenant's, and facts only."""
    if not workflow and not stages:
        return (f"ql.evt.{token(tenant)}.>",)
    one = token(workflow) if workflow else "*"
    return tuple(f"ql.evt.{token(tenant)}.{one}.{token(stage)}.>" for stage in dict.fromkeys(stages)) or (
        f"ql.evt.{token(tenant)}.{one}.>",
    )
