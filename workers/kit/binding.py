"""A stage's signature is its wiring: `bind` checks it against the topology and says what the runner has to load.

Parameters are told apart by their types alone: Run, Submission, products of ancestors, and, with None as the default,
what only a repair brings: the stage's own previous product and the reports of the stages that may send work back to it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Union, cast, get_args, get_origin, get_type_hints

import msgspec

from contracts.artifacts import Submission
from contracts.topology import Stage, Topology

from .stage import Reject, Run

StageCall = Callable[..., Awaitable[msgspec.Struct]]


class BindingError(Exception):
    """A stage does not fit its row of the topology; the message says where."""


@dataclass(frozen=True, slots=True)
class Binding:
    """How one stage is called: which parameter gets what. `inputs` and `repairs` map a parameter to a stage.

    `takes` are the ancestors whose drops a claim names: those of `inputs`, and all of them for the last stage, since
    what it writes says where everything came from.
    """

    row: Stage
    stage: Callable[..., object]
    ports: Mapping[str, type]
    run: str
    submission: str
    inputs: Mapping[str, str]
    repairs: Mapping[str, str]
    types: Mapping[str, type[msgspec.Struct]]
    takes: frozenset[str]

    def instance(self, adapters: Mapping[str, object]) -> StageCall:
        """The stage, given an adapter for each port by field name."""
        made = self.stage(**adapters) if inspect.isclass(self.stage) else self.stage
        return cast(StageCall, made)


def bind(stage: object, name: str, topology: Topology) -> Binding:
    """The binding of `stage` to the row `name`; raises `BindingError`."""
    if name not in topology.stages:
        raise BindingError(f"{name} is no stage; there are {', '.join(topology.stages)}")
    row = topology[name]
    call = _callable_of(stage, name)
    hints = _hints(call, name)
    _check_product(row, hints.pop("return", None))
    found = _Parameters(row, topology)
    for parameter in list(inspect.signature(call).parameters.values())[1 if inspect.isclass(stage) else 0 :]:
        found.take(parameter, hints)
    return Binding(
        row=row,
        stage=stage,  # type: ignore[arg-type]  # _callable_of has checked it
        ports=_ports(stage, name),
        run=found.run,
        submission=found.submission,
        inputs=found.inputs,
        repairs=found.repairs,
        types=found.types,
        takes=topology.ancestors(name) if row is topology.last else frozenset(found.inputs.values()),
    )


def _callable_of(stage: object, name: str) -> Callable[..., object]:
    if inspect.isclass(stage):
        call = stage.__dict__.get("__call__")
        if not is_dataclass(stage) or not stage.__dataclass_params__.frozen:  # type: ignore[attr-defined]  # typeshed hides it
            raise BindingError(f"{name}: STAGE must be a frozen dataclass or an async function, not {stage.__name__}")
        if not inspect.iscoroutinefunction(call):
            raise BindingError(f"{name}: {stage.__name__} needs an `async def __call__`")
        return call
    if not inspect.isfunction(stage) or not inspect.iscoroutinefunction(stage):
        raise BindingError(f"{name}: STAGE must be a frozen dataclass or an async function, not {stage!r}")
    return stage


def _hints(call: Callable[..., object], name: str) -> dict[str, object]:
    try:
        return get_type_hints(call)
    except (NameError, TypeError) as error:
        raise BindingError(f"{name}: its type hints can't be read: {error}") from None


def _ports(stage: object, name: str) -> dict[str, type]:
    if not inspect.isclass(stage):
        return {}
    try:
        hints = get_type_hints(stage)
    except (NameError, TypeError) as error:
        raise BindingError(f"{name}: the types of its ports can't be read: {error}") from None
    return {field.name: hints[field.name] for field in fields(stage)}  # type: ignore[arg-type]  # a dataclass: checked


def _check_product(row: Stage, returned: object) -> None:
    kinds = set(_members(returned))
    rejects = Reject in kinds
    kinds.discard(Reject)
    if kinds != {row.produces}:
        raise BindingError(f"{row.name} must return {row.produces.__name__}, not {_spelled(returned)}")
    if rejects and not row.repairs:
        raise BindingError(f"{row.name} returns Reject, but the topology lets it send work back to nobody")


class _Parameters:
    def __init__(self, row: Stage, topology: Topology) -> None:
        self.row = row
        self.topology = topology
        self.run = ""
        self.submission = ""
        self.inputs: dict[str, str] = {}
        self.repairs: dict[str, str] = {}
        self.types: dict[str, type[msgspec.Struct]] = {}
        self._seen: set[object] = set()

    def take(self, parameter: inspect.Parameter, hints: Mapping[str, object]) -> None:
        if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            raise BindingError(f"{self.row.name}: the parameter {parameter} must be an ordinary one")
        if parameter.name not in hints:
            raise BindingError(f"{self.row.name}: the parameter {parameter.name} has no type")
        members = _members(hints[parameter.name])
        kind = next((member for member in members if member is not NoneType), NoneType)
        if len(members) > 2 or (len(members) == 2 and NoneType not in members):
            raise BindingError(f"{self.row.name}: {parameter.name} may have one type, not several")
        if kind in self._seen:
            raise BindingError(f"{self.row.name}: {parameter.name} asks for {_spelled(kind)} a second time")
        self._seen.add(kind)
        if NoneType in members:
            self._repair(parameter, kind)
        else:
            self._input(parameter, kind)

    def _input(self, parameter: inspect.Parameter, kind: object) -> None:
        if parameter.default is not parameter.empty:
            raise BindingError(f"{self.row.name}: {parameter.name} is always given and needs no default")
        if kind is Run:
            self.run = parameter.name
        elif kind is Submission:
            self.submission = parameter.name
        else:
            self.inputs[parameter.name] = self._ancestor(parameter.name, kind)
            self.types[parameter.name] = kind  # type: ignore[assignment]  # a product is a struct

    def _ancestor(self, name: str, kind: object) -> str:
        producer = self._producer(kind)
        if producer in self.topology.ancestors(self.row.name):
            return producer
        if producer in self._repairers():
            raise BindingError(
                f"{self.row.name}: only a repair brings {name}; make it `{_spelled(kind)} | None = None`"
            )
        raise BindingError(f"{self.row.name}: none of its ancestors produces {_spelled(kind)} ({name})")

    def _repair(self, parameter: inspect.Parameter, kind: object) -> None:
        if parameter.default is not None:
            raise BindingError(f"{self.row.name}: {parameter.name} may be None, so None must be its default")
        producer = self._producer(kind)
        if producer not in self._repairers():
            raise BindingError(
                f"{self.row.name}: no repair brings {_spelled(kind)} ({parameter.name}), so it can't be None"
            )
        self.repairs[parameter.name] = producer
        self.types[parameter.name] = kind  # type: ignore[assignment]  # a product is a struct

    def _producer(self, kind: object) -> str:
        known = inspect.isclass(kind) and issubclass(kind, msgspec.Struct)
        return (self.topology.producer_of(kind) if known else None) or ""  # type: ignore[arg-type]  # checked by `known`

    def _repairers(self) -> set[str]:
        checkers = self.topology.checkers_of(self.row.name)
        return {*checkers, self.row.name} if checkers else set()


def _members(hint: object) -> tuple[object, ...]:
    return get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)


def _spelled(hint: object) -> str:
    return " | ".join(getattr(member, "__name__", str(member)) for member in _members(hint))
