"""All that the settings and the environment say of models, read once; then the keys leave `os.environ`.

Nothing that this process starts or imports finds one there. The kernel's copy of what a process was started with
(`/proc/<pid>/environ`, for root and the same user) can't be changed: a key in a file, by `<NAME>_FILE`, is not in it.
"""

from __future__ import annotations

from collections.abc import MutableMapping

import msgspec

from workers.kit.settings import Settings

from .models import (
    Chains,
    Limit,
    Model,
    Parameters,
    Price,
    forget_keys,
    read_chains,
    read_contexts,
    read_limits,
    read_model,
    read_parameters,
    read_prices,
    secrets,
)
from .scrub import Scrub


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Never log or encode one: `parameters` hold keys."""

    chains: Chains
    embeddings: Model | None
    parameters: dict[Model, Parameters]
    limits: dict[str, Limit]
    prices: dict[str, Price] = {}
    contexts: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"Reach({', '.join(model.name for model in self.chains.all)})"

    @property
    def scrub(self) -> Scrub:
        return Scrub(secret for parameters in self.parameters.values() for secret in secrets(parameters))


def reach(settings: Settings, environ: MutableMapping[str, str]) -> Reach:
    """Raises `SettingsError` in a sentence that says what to set. Where only the ledger answers, no key is needed."""
    chains = read_chains(settings.models)
    embeddings = read_model(settings.embeddings, "QL_EMBEDDINGS") if settings.embeddings.strip() else None
    models = dict.fromkeys([*chains.all, *([embeddings] if embeddings else [])])
    asked = [model for model in models if model.provider != "blueprint" and not settings.llm_strict]
    parameters = {model: read_parameters(model, environ) for model in asked}
    limits = read_limits(settings.model_limits, tuple(models))
    prices = read_prices(settings.model_prices, tuple(models))
    contexts = read_contexts(settings.model_contexts, tuple(models))
    forget_keys(environ)
    return Reach(
        chains=chains,
        embeddings=embeddings,
        parameters=parameters,
        limits=limits,
        prices=prices,
        contexts=contexts,
    )
