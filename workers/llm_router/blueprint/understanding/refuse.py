"""Prompts that the blueprint model can't serve, and the sentence that says so."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from .lexicon import refusing
from .lexicon.refusing import CAN_DO
from .lexicon.words import PRONOUNS
from .text import Unit


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a prompt is not served, and what would be: one sentence for a person."""

    sentence: str


_PYTHON = frozenset({"", "python", "python3", "py"})
_ASKS = frozenset({
    "build", "create", "make", "write", "develop", "implement", "design", "generate", "code", "program", "need",
    "want", "like", "compose", "draw", "give", "tell", "train", "produce", "looking", "craft", "draft", "invent",
    "please", "help", "render", "paint", "sing",
})  # fmt: skip
_HEAD_ENDS = frozenset({
    "for", "that", "which", "to", "with", "where", "in", "about", "of", "so", "on", "using", "by", ".", ",", ":",
    "who", "from", "and", "!", "?", ";", "(", "whose", "like", "-", "without", "behind",
})  # fmt: skip
_SOFTWARE = frozenset(
    {
        "api",
        "apis",
        "backend",
        "back-end",
        "endpoint",
        "endpoints",
        "cli",
        "library",
        "rest",
        "command",
        "tool",
        "sdk",
        "package",
        "module",
        "commandline",
        "server",
        "service",
        "terminal",
        "microservice",
        "webservice",
        "crud",
    }
)
_GROUPS = (
    (refusing.MOBILE, "mobile apps"), (refusing.GAMES, "games"), (refusing.FRONT_ENDS, "front ends and web pages"),
    (refusing.LEARNING, "machine learning and assistants"), (refusing.SYSTEMS, "that kind of software"),
)  # fmt: skip
_NEGATIONS = frozenset({"no", "not", "without", "don't", "doesn't", "never", "isn't", "aren't"})
_TALK = frozenset({
    "translate", "summarise", "summarize", "explain", "paraphrase", "who", "what", "why", "when", "where", "recommend",
    "how", "proofread", "solve", "sing", "imagine", "pretend", "which", "rewrite", "describe", "discuss",
})  # fmt: skip
_BARE = re.compile(r"[^\W_]{2,}")


def refusal(reason: str) -> Refusal:
    return Refusal(sentence=f"{reason} {CAN_DO}")


def before_reading(prompt: str, language: str) -> Refusal | None:
    """What can be told without reading: no words at all, or a language that is not Python."""
    if language.strip().lower() not in _PYTHON:
        shown = "".join(mark for mark in language[:20] if mark.isprintable())
        return refusal(f"The blueprint model writes Python only, not {shown}.")
    sample = prompt[:8192]
    letters = sum(mark.isalpha() or mark.isspace() for mark in sample)
    if (
        not _BARE.search(sample)
        or letters * 2 < len(sample)
        or sum(mark < " " and mark not in "\n\r\t" for mark in sample) * 20 > len(sample)
    ):
        return refusal("There is no text here that could be read as a request.")
    return None


def after_reading(units: Sequence[Unit]) -> Refusal | None:
    """What the words ask for: harm, another language, or something that is no Python API, tool or library."""
    opening = [unit.words for unit in units[:6]]
    everything = " ".join(" ".join(unit.words) for unit in units[:60])
    harms = [word for word in refusing.HARM if f" {word}" in f" {everything}"]
    if any(_wants(units, harm) for harm in harms):
        return refusal("That is meant to do harm, so it is not written here.")
    if found := _language(units):
        return refusal(f"The blueprint model writes Python only, not {found}.")
    if opening and opening[0][0] in _TALK and not set(opening[0]) & _SOFTWARE:
        return refusal("The blueprint model answers no questions and writes no texts.")
    for words in opening:
        head = _head(words)
        if head is None or (words[0] in PRONOUNS and not _ASKS & set(words)):
            continue
        text = f" {' '.join(head)} "
        served = bool(set(head) & _SOFTWARE)
        asked = bool(_ASKS & set(words)) or words[0] in ("a", "an", "the") or words[0] in refusing.WRITING
        if not served and asked and any(text.endswith(f" {word} ") for word in refusing.WRITING):
            return refusal("The blueprint model does not write texts or media.")
        for phrases, name in _GROUPS:
            ends = (
                text
                if phrases is not refusing.GAMES
                else f" {head[-1]} "
                if len(head) < 2
                else f" {' '.join(head[-2:])} "
            )
            if not served and any(f" {phrase} " in ends or f" {phrase}s " in ends for phrase in phrases):
                return refusal(f"The blueprint model does not make {name}.")
        break
    return None


def _wants(units: Sequence[Unit], harm: str) -> bool:
    """Harm counts where it is what to make, not where it is kept away: 'to report phishing' is fine."""
    for unit in units[:60]:
        text = " ".join(unit.words)
        if harm in text:
            before = text[: text.index(harm)].split()
            if not {
                "prevent",
                "against",
                "block",
                "detect",
                "report",
                "reports",
                "protect",
                "avoid",
                "no",
                "incidents",
            } & set(before[-8:]):
                return True
    return False


def _head(words: list[str]) -> list[str] | None:
    """The words that name what to make, up to the first preposition: 'a small snake game'."""
    start = next((at + 1 for at, word in enumerate(words) if word in _ASKS), None)
    if start is None:
        start = 0
    while start < len(words) and (
        words[start] in _ASKS
        or words[start]
        in (
            "me",
            "us",
            "a",
            "an",
            "the",
            "to",
            "have",
            "i",
            "you",
            "for",
            "my",
            "some",
            "new",
            "is",
            "can",
            "up",
            "out",
            "we",
            "our",
            "in",
            "of",
        )
    ):
        start += 1
    end = start
    while end < len(words) and words[end] not in _HEAD_ENDS and end < start + 12:
        end += 1
    return words[start:end] or None


def _language(units: Sequence[Unit]) -> str:
    for place, unit in enumerate(units[:40]):
        words = unit.words
        text = f" {' '.join(words)} "
        for at, word in enumerate(words):
            if word in ("in", "using", "with", "written") and at + 1 < len(words):
                following = words[at + 1]
                pair = " ".join(words[at + 1 : at + 3])
                if _NEGATIONS & set(words[max(0, at - 4) : at]) or "python" in words:
                    continue
                glued = "".join(words[at + 1 : at + 4])
                for name in refusing.LANGUAGES:
                    if following == name or pair == name or (name in ("c++", "c#", "f#") and glued.startswith(name)):
                        return name
                if (
                    word in ("in", "using")
                    and following in refusing.SHORT_LANGUAGES
                    and words[at + 2 : at + 3] in ([], ["."], [","], ["and"], ["with"], ["for"], ["that"], [";"])
                ):
                    return following
        if place < 3:
            for name in refusing.LANGUAGES:
                if any(
                    f" {article} {name} {kind} " in text
                    for article in ("a", "an")
                    for kind in (
                        "api",
                        "app",
                        "cli",
                        "library",
                        "program",
                        "service",
                        "tool",
                        "backend",
                        "microservice",
                        "package",
                        "server",
                        "web",
                        "rest",
                        "command",
                        "application",
                        "crate",
                        "module",
                        "function",
                        "class",
                        "script",
                        "gem",
                        "express",
                    )
                ):
                    return name
    return ""
