"""Makes what a provider says fit to be told: without keys, on one line, not long."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

MOST = 400
HIDDEN = "[hidden]"
_LEAST = 6
"""Characters from which a key's value is looked for by itself; a shorter one would hide half of every sentence."""
_LEAST_IN_ANSWERS = 16
"""In what a model wrote: a local server's "key" may be a word like "ollama", which code is full of."""

_LIKE_A_KEY = re.compile(
    r"""(?ix)
    (?<=\bbearer\s)\S+
    | (?<=\bbasic\s)[a-z0-9+/=]{8,}
    | (?<![a-z0-9])(?:sk|pk|gsk|rk|key)-[a-z0-9_*-]{6,}
    | (?<![a-z0-9])gsk_[a-z0-9*]{6,}
    | \b(?:AKIA|ASIA)[A-Z0-9]{12,}
    | (?<=://)[^\s/@:]+:[^\s/@]+(?=@)
    | (?<=api-key:\s)\S+ | (?<=api_key=)[^\s&]+ | (?<=x-api-key:\s)\S+ | (?<=authorization:\s)\S+
    """
)
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]+")


class Scrub:
    """Knows the keys of this process."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted({secret for secret in secrets if len(secret) >= _LEAST}, key=len, reverse=True)
        self._long = [secret for secret in self._secrets if len(secret) >= _LEAST_IN_ANSWERS]

    def answer(self, text: str) -> str:
        """Only without our own keys, unless they are words: what else a model writes is its business."""
        return _without(self._long, text)

    @property
    def longest(self) -> int:
        """The length of the longest key that an answer is kept from."""
        return len(self._long[0]) if self._long else 0

    def __call__(self, text: str) -> str:
        text = _without(self._secrets, text)
        text = _LIKE_A_KEY.sub(HIDDEN, _BLANK.sub(" ", text)).strip()
        return text if len(text) <= MOST else f"{text[: MOST - 1]}…"


def _without(secrets: Iterable[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


class Hiding:
    """An answer that comes in pieces: so much of it is held back that no key is told, however it is cut."""

    def __init__(self, scrub: Scrub, tell: Callable[[str], None]) -> None:
        self._scrub = scrub
        self._tell = tell
        self._held = ""

    def add(self, text: str) -> None:
        self._held = self._scrub.answer(self._held + text)
        ready = len(self._held) - max(0, self._scrub.longest - 1)
        if ready > 0:
            self._tell(self._held[:ready])
            self._held = self._held[ready:]

    def end(self) -> None:
        if self._held:
            self._tell(self._held)
