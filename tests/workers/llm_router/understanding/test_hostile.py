"""Any text gives a valid brief or a refusal, and none takes long."""

import keyword
import re
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.artifacts.brief import Brief
from contracts.artifacts.submission import Submission
from workers.llm_router.blueprint.functions import catalogue
from workers.llm_router.blueprint.understanding import Refusal, understand

LIMIT = 65_536
SNAKE = re.compile(r"[a-z][a-z0-9_]*")
WORDS = [
    "book",
    "books",
    "a",
    "an",
    "the",
    "has",
    "have",
    "with",
    ",",
    ";",
    "and",
    "or",
    "(",
    ")",
    ":",
    "=",
    "-",
    ".",
    "->",
    "/",
    "|",
    "title",
    "price",
    "email",
    "due",
    "date",
    "list",
    "add",
    "mark",
    "as",
    "done",
    "from",
    "to",
    "can",
    "be",
    "belongs",
    "each",
    "every",
    "'",
    '"',
    "`",
    "'s",
    "user",
    "of",
    "for",
    "REST",
    "API",
    "CLI",
    "library",
    "between",
    "1",
    "5",
    "-3",
    "1e9",
    "must",
    "class",
    "id",
    "None",
    "unique",
    "optional",
    "status",
    "open",
    "closed",
    "either",
    "one",
    "in",
    "not",
    "slugify",
    "search",
    "by",
    "export",
    "CSV",
    "\n",
    "\n-",
    "\n#",
    "##",
    "|",
    "x",
    "_",
    "__",
    "é",
    "中",
    "\x00",
    "../",
]


def check(found: Brief | Refusal) -> None:
    """All that a later stage relies on."""
    if isinstance(found, Refusal):
        assert found.sentence.strip()
        return
    assert msgspec.json.decode(msgspec.json.encode(found), type=Brief) == found
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", found.name)
    assert found.title
    assert found.summary
    assert len(found.entities) <= 12
    names = {entity.name: {field.name: field for field in entity.fields} for entity in found.entities}
    assert len(names) == len(found.entities) == len({entity.plural for entity in found.entities})
    for entity in found.entities:
        assert re.fullmatch(r"[A-Z][A-Za-z0-9]*", entity.name)
        assert SNAKE.fullmatch(entity.plural)
        assert 1 <= len(entity.fields) <= 20
        assert len(names[entity.name]) == len(entity.fields)
        for field in entity.fields:
            assert SNAKE.fullmatch(field.name)
            assert not keyword.iskeyword(field.name)
            assert field.name != "id"
            assert (field.type == "reference") == bool(field.references)
            assert (field.type == "enum") == bool(field.choices)
            assert not field.references or field.references in names
            assert field.minimum is None or field.maximum is None or field.minimum <= field.maximum
            assert not field.default or msgspec.json.decode(field.default) is not None
    for operation in found.operations:
        if operation.name == "function":
            assert operation.function in catalogue()
            continue
        fields = names[operation.entity]
        assert set(operation.fields) <= set(fields)
        if operation.name == "transition":
            kept = fields[operation.field]
            assert operation.to in (kept.choices or ("true", "false"))
            assert set(operation.sources) <= set(kept.choices)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=120).map(" ".join))
def test_any_order_of_telling_words(prompt: str) -> None:
    check(understand(Submission(prompt=prompt)))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400), st.text(max_size=8))
def test_any_text(prompt: str, language: str) -> None:
    check(understand(Submission(prompt=prompt, language=language)))
    check(understand(Submission(prompt=f"REST API. {prompt} A book has a title. {prompt}")))


NASTY = {
    "letters": "a" * LIMIT,
    "dots": "." * (LIMIT - 1) + "x",
    "parentheses": "REST API. A book has a title " + "(" * LIMIT,
    "hashes": "# " + "#" * LIMIT + "x",
    "one long list": "REST API. A book has " + "a title and " * 5400,
    "words": " ".join(WORDS[number * 7919 % len(WORDS)] for number in range(16_000)),
    "lines": "\n".join(
        " ".join(WORDS[number * 31 % len(WORDS)] for number in range(line, line + 12)) for line in range(1500)
    ),
    "nested": "REST API\n" + "".join(" " * (depth % 60) + f"- thing{depth}\n" for depth in range(1800)),
    "joined": "REST API\n" + "a b c d e f g h i j k l m n o p q r s t u v w x y z aa bb\n" * 1100,
    "many things": "REST API. "
    + "".join(f"Thing{chr(97 + n % 26)}{chr(97 + n // 26 % 26)} has a name. " for n in range(2200)),
    "quotes": "REST API. A book has a title. " + '."' * 30_000,
    "spaces": " " * LIMIT,
    "joined words": "REST API. A book has a " + "aA" * 30_000,
}


@pytest.mark.parametrize("name", NASTY)
def test_64_kib_take_a_moment(name: str) -> None:
    catalogue()
    start = time.process_time()
    check(understand(Submission(prompt=NASTY[name][:LIMIT])))
    assert time.process_time() - start < 2


def test_the_time_grows_with_the_length() -> None:
    def taken(prompt: str) -> float:
        start = time.process_time()
        understand(Submission(prompt=prompt))
        return time.process_time() - start

    text = NASTY["words"]
    taken(text)
    assert taken(text[:60_000]) < 12 * taken(text[:15_000]) + 0.05


def test_a_typical_prompt_takes_less_than_50_ms() -> None:
    prompt = "REST API. Books have a title, an author and a price. " * 6
    understand(Submission(prompt=prompt))
    start = time.process_time()
    understand(Submission(prompt=prompt))
    assert time.process_time() - start < 0.05


def test_the_same_prompt_gives_the_same_brief() -> None:
    prompt = NASTY["lines"][:5000] + " REST API. Book: title, author. Books can be sold and returned."
    assert understand(Submission(prompt=prompt)) == understand(Submission(prompt=prompt))
