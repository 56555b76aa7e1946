"""Which of the three kinds of project is wanted, by cues of different weight."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.artifacts.model import Kind

from .text import Unit

_CUES: dict[Kind, dict[str, int]] = {
    "rest_api": {
        "rest": 5, "restful": 5, "api": 4, "apis": 4, "endpoint": 4, "endpoints": 4, "http": 4, "backend": 5,
        "back-end": 5,
        "web service": 5, "webservice": 5, "microservice": 5, "fastapi": 6, "web api": 6, "json api": 5, "server": 3,
        "service": 2, "openapi": 5, "swagger": 5, "routes": 3, "web": 1, "crud": 1, "frontend": 2, "front end": 2,
        "mobile app": 2, "post /": 4,
        "get /": 4, "back end": 5, "browser": 2, "clients": 1, "status codes": 3, "over the web": 4, "over http": 5,
        "web app": 3, "404": 4, "web application": 3, "app can call": 3, "over the network": 3,
    },
    "cli": {
        "cli": 7, "commandline": 7, "command line": 7, "terminal": 6, "console": 5, "shell": 5, "subcommand": 6,
        "subcommands": 6, "command prompt": 6, "bash": 3,
        "commands": 3, "command": 3, "tool": 2, "script": 3, "stdout": 5, "prompt": 2, "--": 4, "flags": 2,
        "arguments": 2, "exit code": 4, "text mode": 4, "type in": 2, "typing": 2, "keyboard": 2,
        "utility": 2,
    },
    "library": {
        "library": 3, "lib": 6, "python library": 7, "package": 4, "module": 5, "sdk": 6, "importable": 7,
        "import": 3, "functions": 4, "function": 4,
        "pip install": 4, "pip": 3, "classes": 3, "in memory": 2, "in-memory": 2, "reusable": 4, "from my code": 5,
        "other code": 4, "own code": 4, "helpers": 3, "programmatically": 4, "call from": 4, "use from": 3,
        "python package": 7, "python module": 7, "api client": 0, "my code": 4, "our code": 4, "other programs": 4,
        "from python": 5, "utilities": 2, "my programs": 4, "my scripts": 4, "other scripts": 4, "small library": 5,
        "without a server": 3,
    },
}  # fmt: skip
_NOT = (
    "no ",
    "not a ",
    "not an ",
    "without ",
    "without a ",
    "without an ",
    "don't need a ",
    "no need for a ",
    "not need a ",
    "no need for an ",
    "don't need an ",
    "rather than a ",
    "instead of a ",
    "not just a ",
    "don't want a ",
    "no web ",
    "neither ",
    "not ",
)


def kind_of(units: Sequence[Unit], *, functions: bool) -> tuple[Kind, bool]:
    """The kind with the most weight, and whether any cue spoke for it; the first sentence counts twice."""
    scores: dict[Kind, int] = dict.fromkeys(_CUES, 0)
    for at, unit in enumerate(units[:80]):
        text = f" {' '.join(unit.words)} ".replace("- -", "--")
        weight = 2 if at == 0 else 1
        for kind, cues in _CUES.items():
            for cue, value in cues.items():
                place = text.find(f" {cue} " if cue[-1].isalnum() else f" {cue}")
                if place >= 0 and not text[: place + 1].endswith(_NOT):
                    scores[kind] += weight * value
    if functions:
        scores["library"] += 1
    best = max(scores, key=lambda kind: scores[kind])
    return (best, True) if scores[best] > 0 else ("library" if functions else "rest_api", False)
