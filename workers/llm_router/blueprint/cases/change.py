"""The test cases of one entity about changing, deleting and moving between states."""

from __future__ import annotations

from workers.llm_router.blueprint import names, samples
from workers.llm_router.blueprint.design import Transition, initial, optional
from workers.llm_router.blueprint.drafts import Case
from workers.llm_router.blueprint.text import literal

from .parts import field_keys, taken
from .writer import Writer, make


def updating(w: Writer) -> list[Case]:
    given = w.resource.given
    plain = [field for field in given if field.type != "reference"]
    emptied = [field for field in given if optional(field)]
    function = f"test_update_{w.snake}"
    made = []
    if plain:
        made.append(
            w.case(
                f"{function}_changes_only_what_is_given",
                "A change sets the fields that it names and leaves the others",
                w.changed(),
                ["update", *field_keys(plain)],
                cases=("field, value", [f"({literal(f.name)}, {w.value(f, 4)})" for f in plain]),
            )
        )
    wrong = w.wrong_changes()
    if wrong:
        made.append(
            w.case(
                f"{function}_refuses_invalid_value",
                "A change to a value that is not allowed is refused and changes nothing",
                w.change_refused(),
                ["update", *field_keys(given)],
                kind="error",
                cases=("field, value", wrong),
            )
        )
    if emptied:
        made.append(
            w.case(
                f"{function}_can_empty_field",
                "A field that may be left out can be emptied",
                w.emptied(),
                ["update"],
                kind="boundary",
                cases=("field", [literal(field.name) for field in emptied]),
            )
        )
    return [*made, w.missing(function, "update", "update"), *_conflicts(w, function)]


def _conflicts(w: Writer, function: str) -> list[Case]:
    made = []
    unique = taken(w.resource)
    if unique:
        made.append(
            w.case(
                f"{function}_refuses_duplicate",
                "A change can't take a value that is unique and used",
                w.change_duplicate(),
                [f"unique {field.name}" for field in unique],
                kind="error",
                cases=("field", [literal(field.name) for field in unique]),
            )
        )
    made += w.more_updating()
    if body := w.one_step():
        title = "Nothing can be written between the reading and the writing of a change"
        made.append(w.case(f"{function}_lets_no_other_write_in_between", title, body, ["update"], kind="error"))
    return made


def deleting(w: Writer) -> list[Case]:
    function = f"test_delete_{w.snake}"
    made = [
        w.case(function, w.delete_title.format(w.resource.noun), w.deleted(), ["delete"]),
        w.missing(function, "delete", "delete"),
    ]
    for child, field in w.resource.children:
        made.append(
            w.case(
                f"{function}_refused_while_{names.snake(child)}_has_it_as_{field}",
                f"A {w.resource.noun} that is still referred to can't be deleted",
                w.in_use(make(child), field),
                ["delete"],
                kind="error",
            )
        )
    return made


def moving(w: Writer, move: Transition) -> list[Case]:
    """From each state that can be reached, the ways that are allowed and the ones that are not."""
    function = f"test_{move.verb}_{w.snake}"
    operation = f"transition {move.verb}"
    field = next(field for field in w.resource.fields if field.name == move.field)
    ways = samples.reachable(w.resource, move.field) if field in w.resource.managed else {initial(field): ()}
    made = []
    for allowed in (True, False):
        steps = [
            literal([w.step(verb) for verb in way])
            for state, way in ways.items()
            if samples.allows(move, state) is allowed
        ]
        if not steps:
            continue
        straight = steps == ["[]"]
        body = w.moved(move, w.walked()[:1] if straight else w.walked(), allowed=allowed)
        made.append(
            w.case(
                function if allowed else f"{function}_refused",
                f"{move.field} becomes {literal(move.to)}" if allowed else f"{move.verb} is refused in other states",
                body if straight else body._replace(fixtures=f"{body.fixtures}, steps"),
                [operation],
                kind="behaviour" if allowed else "error",
                cases=None if straight else ("steps", steps),
            )
        )
    return [*made, w.missing(function, move.verb, operation)]
