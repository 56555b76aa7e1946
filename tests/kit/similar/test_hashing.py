"""The built-in embedder: always the same, of length 1, and near for texts about the same things."""

from __future__ import annotations

import hashlib
import json
import math
import random
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.kit.similar.hashing import DIMENSION, LEAST, MOST_CHARACTERS, embed

PROMPTS = Path(__file__).parents[2] / "flow/prompts"
TEXT = "Ein Verzeichnis für Bücher: `BookStore.add_book(title)`, 図書館, at most 3 copies each."
DIGEST = "f92f8728e25f8758"


def cosine(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def digest(text: str) -> str:
    return hashlib.sha256(json.dumps(embed(text)).encode()).hexdigest()


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=300))
def test_any_text_has_a_vector_of_length_1_or_0(text: str) -> None:
    vector = embed(text)
    assert len(vector) == DIMENSION
    length = math.sqrt(sum(value * value for value in vector))
    assert length == 0 or math.isclose(length, 1, abs_tol=1e-4)
    assert vector == embed(text)


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=100), st.text(max_size=100))
def test_what_is_added_to_a_text_far_down_changes_nothing(text: str, more: str) -> None:
    long = (text + " ").ljust(MOST_CHARACTERS, "x")
    assert embed(long + more) == embed(long)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["book", "loan", "member", "title", "due"]), min_size=1, max_size=12))
def test_a_text_is_nearest_to_itself(words: list[str]) -> None:
    text = " ".join(words)
    assert cosine(embed(text), embed(text)) >= cosine(embed(text), embed(text + " invoice")) - 1e-6


def test_every_process_gives_the_same_vector_and_so_does_every_release() -> None:
    """Another digest is another embedder: give it another NAME."""
    program = f"import json; from workers.kit.similar.hashing import embed; print(json.dumps(embed({TEXT!r})))"
    said = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert {hashlib.sha256(text.encode()).hexdigest() for text in said} == {digest(TEXT)}
    assert digest(TEXT).startswith(DIGEST)


@pytest.fixture(scope="module")
def labelled() -> list[dict[str, Any]]:
    names = ("labelled", "practice_a", "practice_b", "practice_c")
    return [entry for name in names for entry in json.loads((PROMPTS / f"{name}.json").read_text(encoding="utf-8"))]


def test_the_nearest_prompt_is_about_the_same_things(labelled: list[dict[str, Any]]) -> None:
    """129 of the 210 prompts share an entity with another one; two prompts at random do in 1 % of all cases."""
    vectors = [embed(entry["prompt"]) for entry in labelled]
    entities = [{entity["name"].lower() for entity in entry.get("entities", ())} for entry in labelled]
    places = range(len(labelled))
    hits, possible = 0, 0
    for place in places:
        others = [other for other in places if other != place]
        possible += any(entities[place] & entities[other] for other in others)
        nearest = max(others, key=lambda other: cosine(vectors[place], vectors[other]))
        hits += bool(entities[place] & entities[nearest])
    assert possible == 129
    assert hits >= 0.7 * possible, hits


def test_a_damaged_prompt_is_still_nearest_to_itself(labelled: list[dict[str, Any]]) -> None:
    """Two words of five are lost and the rest is shuffled."""
    chance = random.Random(1)  # noqa: S311  # the same damage every time
    vectors = [embed(entry["prompt"]) for entry in labelled]
    for place, entry in enumerate(labelled[:60]):
        words = [word for word in entry["prompt"].split() if chance.random() < 0.6]
        chance.shuffle(words)
        damaged = embed(" ".join(words))
        assert max(range(len(vectors)), key=lambda other: cosine(damaged, vectors[other])) == place
        assert cosine(damaged, vectors[place]) > LEAST


def test_most_prompts_about_different_things_are_not_similar(labelled: list[dict[str, Any]]) -> None:
    known = [(embed(entry["prompt"]), {entity["name"] for entity in entry["entities"]}) for entry in labelled[:60]]
    pairs = [cosine(one, other) for (one, mine), (other, theirs) in combinations(known, 2) if not mine & theirs]
    assert sum(near >= LEAST for near in pairs) < 0.02 * len(pairs)
