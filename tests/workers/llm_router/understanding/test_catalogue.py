"""The catalogue of plain functions: each does what its examples say, in its own right and as source in a new module."""

import builtins
import importlib
import math
from typing import Any

import pytest

from workers.llm_router.blueprint.functions import Function, catalogue

FUNCTIONS = list(catalogue().values())
each = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)


def rebuilt(function: Function) -> Any:
    """The function, compiled from what the catalogue says of it and from nothing else."""
    parameters = ", ".join(f"{name}: {kind}" for name, kind in function.parameters)
    lines = [*function.imports, f"def {function.name}({parameters}) -> {function.returns}:"]
    lines += [f"    {line}" for line in function.body]
    namespace: dict[str, Any] = {}
    exec(compile("\n".join(lines), function.name, "exec"), namespace)  # noqa: S102  the source is our own
    return namespace[function.name]


def same(one: Any, other: Any) -> bool:
    return math.isclose(one, other, rel_tol=1e-9) if isinstance(one, float) else bool(one == other)


def test_there_are_at_least_forty() -> None:
    assert len(FUNCTIONS) >= 40


@each
def test_it_answers_as_its_examples_say(function: Function) -> None:
    call = rebuilt(function)
    assert function.examples
    for arguments, result in function.examples:
        assert same(call(*arguments), result), arguments
        assert type(call(*arguments)) is type(result)


@each
def test_it_raises_as_its_examples_say(function: Function) -> None:
    call = rebuilt(function)
    for arguments, error in function.error_examples:
        with pytest.raises(getattr(builtins, error)):
            call(*arguments)


@each
def test_every_exception_that_it_raises_has_an_example(function: Function) -> None:
    assert set(function.raises) <= {error for _, error in function.error_examples}


@each
def test_arguments_fit_its_parameters(function: Function) -> None:
    for arguments, _ in (*function.examples, *function.error_examples):
        assert len(arguments) == len(function.parameters)
    assert function.doc
    assert "->" not in function.returns


def test_a_function_lives_in_the_module_of_its_topic() -> None:
    for function in FUNCTIONS:
        module = importlib.import_module(f"workers.llm_router.blueprint.catalogue.{function.topic}")
        assert callable(getattr(module, function.name))
