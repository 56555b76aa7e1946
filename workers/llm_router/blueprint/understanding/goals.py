"""What the prompt says it does not want."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .text import Unit

_NOT_WANTED = re.compile(
    r"\b(?:no need (?:for|to)|not need(?:ed)?|don'?t need|doesn'?t need|do not need|without|no"
    r"|don'?t (?:want|bother)|out of scope"
    r"|isn'?t needed|is not needed|are not needed|not required to|skip|not necessary|leave out|nothing fancy)\b"
)
_SUBJECTS = re.compile(
    r"\b(?:auth\w*|log-?ins?|sign-?up|users?|accounts?|passwords?|ui|gui|front-?end|interface"
    r"|web ?(?:page|site|ui)|database|deploy\w*"
    r"|docker|payments?|emails?|notifications?|security|permissions?|roles?|pagination|tests?|html"
    r"|server|internet|network|cloud|graphics)\b"
)


def non_goals(units: Sequence[Unit]) -> tuple[str, ...]:
    """The sentences that rule something out, in their own words."""
    found = []
    for unit in units:
        text = unit.text[:400].lower()
        if (no := _NOT_WANTED.search(text)) and _SUBJECTS.search(text, no.end(), no.end() + 40):
            found.append(unit.text[:300])
    return tuple(dict.fromkeys(found))[:20]
