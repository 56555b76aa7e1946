"""Who takes which task: every task has somebody for every topic, and everybody has a topic."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workers
from workers.kit.prompts.front import BadPrompt
from workers.kit.prompts.roles import NoRole, Role, among, pick, role_of, roles
from workers.kit.prompts.topic import Topic

TASKS = sorted(path.parent.name for path in Path(workers.__file__).parent.glob("*/prompt.md"))
LAYERS = ("infrastructure", "domain", "model", "storage", "service", "validation", "configuration", "errors",
          "interface", "entry", "something else")  # fmt: skip
KINDS = ("rest_api", "cli", "library")
HEAD = "id: {id}\nversion: 1\npurpose: To test.\nskills: [testing]\ntasks: [a_task]\ntemperature: 0.1\n{more}"


def role(id_: str, more: str = "") -> Role:
    return role_of(f"{id_}.md", f"---\n{HEAD.format(id=id_, more=more)}---\n\nYou are a test.\n")


@pytest.mark.parametrize(("task", "kind"), list(itertools.product(TASKS, KINDS)))
def test_every_task_and_layer_has_a_role(task: str, kind: str) -> None:
    for layer, language in itertools.product(LAYERS, ("python", "toml", "sql", "html", "cobol", "")):
        chosen = pick(task, Topic(language=language, layer=layer, kind=kind))
        assert task in chosen.tasks
        assert not chosen.layers or layer in chosen.layers


@pytest.mark.parametrize("chosen", list(roles().values()), ids=list(roles()))
def test_every_role_is_picked_for_what_it_says(chosen: Role) -> None:
    topics = itertools.product(
        chosen.languages or ("",), chosen.layers or ("",), chosen.frameworks or ("",), chosen.kinds or ("",)
    )
    for language, layer, framework, kind in topics:
        topic = Topic(language=language, layer=layer, framework=framework, kind=kind, tags=chosen.tags)
        assert {pick(task, topic).id for task in chosen.tasks} == {chosen.id}


def test_there_are_specialists_and_each_says_enough() -> None:
    assert len(roles()) >= 24
    assert len({chosen.text for chosen in roles().values()}) == len(roles())
    assert [one.id for one in roles().values() if not 15 <= len(one.text.splitlines()) <= 40] == []
    assert [one.id for one in roles().values() if "```" in one.text or "{{" in one.text] == []


@pytest.mark.parametrize(
    ("task", "topic", "chosen"),
    [
        ("code_generation", Topic(language="python", layer="storage", kind="rest_api"), "storage_engineer"),
        ("code_generation", Topic(language="python", layer="interface", kind="rest_api"), "http_engineer"),
        ("code_generation", Topic(language="python", layer="domain", framework="fastapi"), "fastapi_specialist"),
        ("code_generation", Topic(language="toml", layer="infrastructure", kind="cli"), "packaging_engineer"),
        ("code_generation", Topic(language="python", layer="storage", tags=("repair",)), "repairer"),
        ("code_generation", Topic(language="python", layer="storage", tags=("repair", "unsafe")), "security_repairer"),
        ("code_generation", Topic(language="python", layer="storage", tags=("again", "repair")), "reviewer"),
        ("test_generation", Topic(language="python", kind="cli", tags=("fixtures",)), "fixture_author"),
        ("test_generation", Topic(language="python", kind="cli"), "cli_tester"),
        ("project_structure", Topic(language="python", kind="rest_api"), "api_designer"),
        ("documentation", Topic(language="python", kind="library"), "technical_writer"),
    ],
    ids=str,
)  # fmt: skip
def test_the_most_specific_one_takes_it(task: str, topic: Topic, chosen: str) -> None:
    assert pick(task, topic).id == chosen


def test_what_is_more_specific_wins_whatever_the_order() -> None:
    plain, spoken, placed = role("a"), role("b", "languages: [python]\n"), role("c", "layers: [storage]\n")
    kind, framed, tagged = (
        role("d", "kinds: [cli]\n"),
        role("e", "frameworks: [click]\n"),
        role("f", "tags: [repair]\n"),
    )
    ranked = [tagged, framed, kind, placed, spoken, plain]
    topic = Topic(language="python", layer="storage", framework="click", kind="cli", tags=("other", "repair"))
    while ranked:
        assert {among(order, "a_task", topic).id for order in (ranked, ranked[::-1])} == {ranked[0].id}
        ranked.pop(0)
    assert among([role("z"), role("y")], "a_task", topic).id == "y"


def test_a_topic_must_be_in_every_list_of_a_role() -> None:
    with pytest.raises(NoRole, match="no role takes the task 'a_task'"):
        among([role("a", "layers: [storage]\ntags: [repair]\n")], "a_task", Topic(layer="storage"))
    with pytest.raises(NoRole):
        pick("no_such_task", Topic())


@given(task=st.sampled_from(TASKS), topic=st.builds(Topic, tags=st.lists(st.text(), max_size=3).map(tuple)))
def test_no_topic_is_without_a_role(task: str, topic: Topic) -> None:
    assert task in pick(task, topic).tasks


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("group: best\n", "Invalid enum value"),
        ("colour: red\n", "unknown field `colour`"),
        ("tags: repair\n", "Expected `array`"),
        ("layers: [Service]\n", "matching regex"),
    ],
)
def test_a_role_with_a_mistake_is_refused(more: str, said: str) -> None:
    with pytest.raises(BadPrompt, match=said):
        role("a", more)


def test_a_role_is_in_the_file_of_its_name() -> None:
    with pytest.raises(BadPrompt, match=r"other\.md holds the role a"):
        role_of("other.md", f"---\n{HEAD.format(id='a', more='')}---\n\nYou are a test.\n")
