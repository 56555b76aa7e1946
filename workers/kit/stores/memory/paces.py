"""The twin of what is taken a minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workers.kit.stores.paces import MINUTE_S, SOON_S, Counted, Later, Pace


@dataclass(slots=True)
class _Took:
    moment: float
    calls: int = 0
    tokens: int = 0
    held: int = 0


@dataclass(slots=True)
class MemoryPaces:
    """The twin; a moment is its own row."""

    now: Callable[[], float] = time.monotonic
    took: dict[str, list[_Took]] = field(default_factory=dict)

    async def begin(self, paces: Sequence[Pace], tokens: int = 0) -> Counted | Later:
        now = self.now()
        self._forget(now - MINUTE_S)
        for pace in sorted(paces, key=lambda pace: pace.name):
            took = self.took.get(pace.name, [])
            if pace.calls and (since := _full(took, "calls", pace.calls)) is not None:
                return Later(pace=pace, over="calls", pause_s=since + MINUTE_S - now)
            if pace.tokens and sum(one.tokens + one.held for one in took) >= pace.tokens:
                since = _full(took, "tokens", pace.tokens)
                return Later(pace=pace, over="tokens", pause_s=SOON_S if since is None else since + MINUTE_S - now)
        for pace in paces:
            self.took.setdefault(pace.name, []).append(_Took(now, calls=1, held=tokens))
        return Counted(names=tuple(pace.name for pace in paces), began=now, estimate=tokens)

    async def ended(self, counted: Counted, tokens: int) -> None:
        for name in counted.names:
            took = self.took.setdefault(name, [])
            for one in took:
                if (one.moment, one.held) == (counted.began, counted.estimate):
                    one.held = 0
                    break
            took.append(_Took(self.now(), tokens=tokens))

    def _forget(self, until: float) -> None:
        left = {name: [one for one in took if one.moment > until] for name, took in self.took.items()}
        self.took = {name: took for name, took in left.items() if took}


def _full(took: Sequence[_Took], what: str, most: int) -> float | None:
    """The moment whose calls or tokens are too many; a minute after it there are few enough."""
    later = 0
    for one in reversed(took):
        later += getattr(one, what)
        if later >= most:
            return one.moment
    return None
