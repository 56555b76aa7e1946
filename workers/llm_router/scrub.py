"""Makes what a provider says fit to be told: without keys, on one line, not long."""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST = 400
HIDDEN = "[hidden]"
_LEAST = 6
"""Characters from which a key's value is looked for by itself; a shorter one would hide half of every sentence."""

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

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = _LIKE_A_KEY.sub(HIDDEN, _BLANK.sub(" ", text)).strip()
        return text if len(text) <= MOST else f"{text[: MOST - 1]}…"
