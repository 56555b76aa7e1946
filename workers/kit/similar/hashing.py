"""The built-in embedder: words, pairs of words and pieces of words, hashed into a vector of length 1.

The same text gives the same vector in every process and on every machine: `NAME` changes with whatever changes one.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from zlib import crc32

NAME = "hashing-1"
DIMENSION = 512
LEAST = 0.25
"""Texts whose vectors have a smaller cosine are about different things; see tests/kit/similar/test_hashing.py."""

MOST_CHARACTERS = 16_384
_DIGITS = 6
_WORD, _PAIR, _PIECE = 1.0, 0.4, 0.25
_LONGEST = 32
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")
_COMMON = frozenset(
    """a an and are as at be been but by can could do does each every for from had has have he her his i if in into is
    it its like may me must my need needs no not of on one or our out please she should so some than that the their them
    then there these they this those to too up us want wants was we were what when where which who will with would you
    your""".split()  # noqa: SIM905  # a list of literals would be a page
)


def embed(text: str) -> tuple[float, ...]:
    """`DIMENSION` numbers; all 0 for a text without a word. What follows `MOST_CHARACTERS` is not read."""
    vector = [0.0] * DIMENSION
    for feature, weight in _features(text):
        code = crc32(feature.encode("utf-8", "surrogatepass"))
        vector[code % DIMENSION] += weight if code & 0x80000000 else -weight
    length = math.sqrt(math.fsum(value * value for value in vector))
    return tuple(round(value / length, _DIGITS) for value in vector) if length else tuple(vector)


def _features(text: str) -> Iterator[tuple[str, float]]:
    words = [word for word in _words(text) if word not in _COMMON]
    counts = Counter(words)
    for word, count in counts.items():
        often = 1 + math.log(count)
        yield word, _WORD * often
        for piece in _pieces(word):
            yield piece, _PIECE * often
    for (first, second), count in Counter(pairwise(words)).items():
        yield f"{first} {second}", _PAIR * (1 + math.log(count))


def _words(text: str) -> list[str]:
    """Also the words that a name in code is made of."""
    plain = unicodedata.normalize("NFKC", text[:MOST_CHARACTERS])
    return [part.casefold()[:_LONGEST] for part in _PARTS.findall(plain)]


def _pieces(word: str) -> Iterator[str]:
    """Its runs of four letters, so that `book` and `books` are near."""
    framed = f"<{word}>"
    for start in range(len(framed) - 3):
        yield f"#{framed[start : start + 4]}"
