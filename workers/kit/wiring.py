"""From the ports that stages name to the adapters that serve them: each is opened once, and only if somebody asks.

Adapters are imported where they are made, so that a worker of one stage holds nothing that only another needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nats.aio.client import Client

from .binding import Binding
from .ports import Llm, Parser, Registry, Sandbox, Similar, Wheelhouse
from .settings import Settings


class WiringError(Exception):
    """A stage asks for something that this process can't give it; the message says what to set or change."""


@dataclass(frozen=True, slots=True)
class Means:
    """What adapters are made from."""

    nc: Client
    settings: Settings

    def data(self, what: str) -> Path:
        """The data folder."""
        if self.settings.data is None:
            raise WiringError(f"QL_DATA is not set: {what} needs a folder of this machine to keep its files in")
        return self.settings.data


def _llm(means: Means) -> object:
    from .llm import LlmClient

    return LlmClient(means.nc, means.settings)


def _parser(_: Means) -> object:
    from .parsing.treesitter import TreeSitterParser

    return TreeSitterParser()


def _sandbox(means: Means) -> object:
    from .registry import Wheels
    from .sandbox import Bubblewrap

    data = means.data("the sandbox")
    return Bubblewrap(data, Wheels(data / "wheelhouse"))


def _registry(means: Means) -> object:
    from .registry import Index

    return Index(means.data("the wheelhouse"))


def _similar(means: Means) -> object:
    from .similar.client import SimilarClient, reads_examples
    from .similar.nothing import NO_SIMILAR

    settings = means.settings
    return SimilarClient(means.nc, strict=settings.llm_strict) if reads_examples(settings.models) else NO_SIMILAR


def _wheelhouse(means: Means) -> object:
    from .registry import Wheels

    return Wheels(means.data("the wheelhouse") / "wheelhouse")


ADAPTERS: Mapping[type, Callable[[Means], object]] = {
    Llm: _llm,
    Parser: _parser,
    Sandbox: _sandbox,
    Registry: _registry,
    Similar: _similar,
    Wheelhouse: _wheelhouse,
}


def wire(bindings: Iterable[Binding], means: Means, given: Mapping[type, object] | None = None) -> dict[type, object]:
    """An adapter for every port that the bindings name; `given` ones stand in for those of `ADAPTERS`."""
    adapters: dict[type, object] = dict(given or {})
    for binding in bindings:
        for field, port in binding.ports.items():
            if port in adapters:
                continue
            if port not in ADAPTERS:
                known = ", ".join(sorted(kind.__name__ for kind in ADAPTERS))
                raise WiringError(f"{binding.row.name}: no adapter serves {field}; the ports are {known}")
            adapters[port] = ADAPTERS[port](means)
    return adapters


def ports_of(binding: Binding, adapters: Mapping[type, object]) -> dict[str, object]:
    """The stage's own adapters, by field name."""
    return {field: adapters[port] for field, port in binding.ports.items()}
