"""Which sentences of the prompt the package seems to say nothing about: a plain comparison of words.

The verdict of the tests covers what the requirements hold. What never became a requirement would go unnoticed, so
each sentence's telling words are looked for in them. It is no proof of understanding, only of having taken notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from contracts.artifacts import Requirements, Statement

LEAST_SHARE = 0.4
LEAST_WORDS = 3
_INTRODUCTION = re.compile(
    r"\b(api|apis|rest|service|backend|server|cli|command[- ]?line|terminal|shell|tool|library|package|module|program"
    r"|app|application|system|software|technically)\b|so that|in order to|so i |for now|we don't|no need|not need"
)
_WORD = re.compile(r"[a-z]+")
_ENDINGS = ("ings", "ing", "ies", "ied", "ed", "es", "s", "y", "e")
_COMMON_WORDS = """
    a able about above actually add after again all along also am an and another any anyone anything api app
    application are around as ask at back based basic be been before being belong between book both browse build
    but by call can cannot case change clean clear cli code collection come command consist contain could create
    crud csv current data database date day delete description detail display do does done down download each easy
    edit either email endpoint enter entry error etc even every everything example export fast field file filter
    find fine first following for free from full function get give given go good has have having he hello her here
    him his hold how http i id idea if import in include information into is it item its job json just keep kind
    know last later least let library like line list little live local log look lot made mail main make manage
    many may maybe me mean message might mine module more most much must my name need never new nice no none
    normal not nothing now number object of off ok old on once one only option optional or order other our out
    over own package page people per person piece please point possible print program project provide put python
    read really record refuse refused register remove report request require required resource rest return rule
    run same save say search see send separate server service set several shall she short should show simple
    simply since small so some somebody someone something somewhere soon sort stay still stop store such support
    sure system take tell terminal than thank thanks that the their them then there these they thing this those
    though through time to today together too tool track two type under unique until up update upon us use used
    useful user usual value very via view want was way we web well were what when where whether which while who
    whoever whole whom whose why will with within without work would write wrong yes yet you your zero
"""
_COMMON = frozenset(_COMMON_WORDS.split())


def unheard(statements: Iterable[Statement], requirements: Requirements) -> tuple[Statement, ...]:
    """The statements of whose telling words fewer than half stand in the requirements or the data model."""
    known = _known(requirements)
    return tuple(statement for statement in statements if not _is_heard(statement.text, known))


def _is_heard(text: str, known: frozenset[str]) -> bool:
    if _INTRODUCTION.search(text.lower()):
        return True
    telling = {_stem(word) for word in _WORD.findall(text.lower()) if word not in _COMMON and len(word) > 2} - _STEMS
    if len(telling) < LEAST_WORDS:
        return True
    return len(telling & known) >= LEAST_SHARE * len(telling)


def _known(requirements: Requirements) -> frozenset[str]:
    texts: list[str] = [requirements.title, requirements.summary, requirements.name, *requirements.non_goals]
    texts += [claim.text for claim in requirements.requirements]
    for entity in requirements.entities:
        texts += [re.sub(r"(?<=[a-z])(?=[A-Z])", " ", entity.name), entity.plural]
        for field in entity.fields:
            texts += [field.name, field.type, field.references, *field.choices]
    for operation in requirements.operations:
        texts += [operation.name, operation.to, operation.function, *operation.fields, *operation.sources]
    return _stems(texts)


def _stems(texts: Sequence[str]) -> frozenset[str]:
    return frozenset(_stem(word) for text in texts for word in _WORD.findall(text.lower()))


def _stem(word: str) -> str:
    """Crude on purpose: both sides are cut alike."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


_STEMS = _stems(sorted(_COMMON))
