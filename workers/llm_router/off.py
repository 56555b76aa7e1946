"""What an operator switched off: looked at before each try of a model, so that nothing more is asked soon after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .models import Model

OFF_S = 30.0


class Switches(Protocol):
    """What an operator switched off."""

    async def off(self, tenant: str) -> Mapping[str, str]:
        """Why, by provider; '*' is all of them. It is asked for often, so it looks seldom."""
        ...


class NoSwitches:
    """Nothing is switched off."""

    async def off(self, tenant: str) -> Mapping[str, str]:
        return {}


def reason(off: Mapping[str, str], model: Model) -> str:
    """Why the model must not be asked; '' where it may."""
    return off.get(model.provider) or off.get("*") or ""
