"""QL_MODELS and the keys: what is understood, and the sentence for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.kit.llm import wire
from workers.kit.settings import PROVIDER_KEYS, Settings, SettingsError
from workers.llm_router.models import (
    BLUEPRINT,
    PROVIDERS,
    Limit,
    Model,
    read_chains,
    read_limits,
    read_parameters,
    read_prices,
)
from workers.llm_router.reach import reach
from workers.llm_router.scrub import MOST, Scrub

KEY = "sk-planted-0123456789"


def test_chains_groups_and_endpoints() -> None:
    chains = read_chains("anthropic/a, openai/b@http://127.0.0.1:9/v1/ ;strong = groq/c,blueprint/default")
    assert chains.groups == {
        "": (Model(name="anthropic/a"), Model(name="openai/b", url="http://127.0.0.1:9/v1")),
        "strong": (Model(name="groq/c"), Model(name="blueprint/default")),
    }
    assert chains.of("fast") == chains.of("")
    assert chains.of("strong")[0].provider == "groq"
    assert [model.url for model in chains.of("openai/b")] == ["http://127.0.0.1:9/v1"]
    assert chains.of("openai/c") == (), "nobody answers in its place"


@pytest.mark.parametrize(
    ("models", "sentence"),
    [
        ("", "'' is no model; write <provider>/<model>"),
        ("gpt-4o", "'gpt-4o' is no model; write <provider>/<model>"),
        ("acme/x", "'acme' is no provider that the router knows (anthropic, azure, bedrock, blueprint, groq, ollama,"),
        ("openai/x@ftp://h/v1", "the URL of openai/x is no http or https URL"),
        ("openai/x@http://u:hunter2@h/v1", "holds a password; give the key in the provider's variable"),
        ("blueprint/other", "the only built-in model is blueprint/default"),
        ("openai/x;openai/y", "'openai/y' is no group; write <group>="),
        ("openai/x;a=openai/y;a=openai/z", "names the group 'a' twice"),
    ],
)
def test_a_mistake_in_the_chains_is_told_in_a_sentence(models: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as told:
        read_chains(models)
    assert sentence in str(told.value)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("model", "given", "sentence"),
    [
        ("openai/x", {}, "openai/x needs OPENAI_API_KEY: set it, or OPENAI_API_KEY_FILE to a file that holds it"),
        ("anthropic/x", {}, "needs ANTHROPIC_API_KEY"),
        ("groq/x", {}, "needs GROQ_API_KEY"),
        ("azure/x", {"AZURE_API_KEY": KEY}, "set AZURE_API_BASE, or write azure/x@<url>"),
        ("bedrock/x", {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY}, "needs AWS_REGION or AWS_REGION_NAME"),
        ("vllm/x", {}, "set VLLM_API_BASE"),
        ("openai/x", {"OPENAI_API_KEY_FILE": "/nowhere/key"}, "OPENAI_API_KEY_FILE names a file that can't be read"),
    ],
)
def test_what_is_missing_is_named(model: str, given: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as told:
        reach(Settings(models=model), dict(given))
    assert sentence in str(told.value)
    assert KEY not in str(told.value)


@pytest.mark.parametrize(
    ("model", "given", "parameters"),
    [
        ("openai/x", {"OPENAI_API_KEY": KEY}, {"api_key": KEY}),
        ("openai/x@http://h/v1", {}, {"api_key": "none", "api_base": "http://h/v1"}),
        ("anthropic/x", {"ANTHROPIC_API_KEY": KEY}, {"api_key": KEY}),
        ("groq/x", {"GROQ_API_KEY": KEY}, {"api_key": KEY}),
        (
            "azure/x",
            {"AZURE_API_KEY": KEY, "AZURE_API_BASE": "https://h"},
            {"api_key": KEY, "api_base": "https://h", "api_version": "2024-10-21"},
        ),
        (
            "bedrock/anthropic.claude-x-v1:0",
            {"AWS_ACCESS_KEY_ID": "AKIAX", "AWS_SECRET_ACCESS_KEY": KEY, "AWS_REGION": "eu-west-1"},
            {"aws_access_key_id": "AKIAX", "aws_secret_access_key": KEY, "aws_region_name": "eu-west-1"},
        ),
        ("ollama/x", {}, {"api_base": "http://127.0.0.1:11434"}),
        ("vllm/x@http://h/v1", {}, {"api_base": "http://h/v1", "api_key": "none"}),
    ],
)
def test_what_litellm_is_told(model: str, given: dict[str, str], parameters: dict[str, str]) -> None:
    (one,) = read_chains(model).all
    assert read_parameters(one, given) == parameters


def test_a_key_may_lie_in_a_file_and_no_key_stays_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    environ = {"OPENAI_API_KEY_FILE": str(file), "GROQ_API_KEY": KEY, "PATH": "/bin"}
    found = reach(Settings(models="openai/x,groq/y"), environ)
    assert [parameters["api_key"] for parameters in found.parameters.values()] == [KEY, KEY]
    assert environ == {"PATH": "/bin"}
    assert KEY not in repr(found)
    assert found.scrub(f"it said {KEY}") == "it said [hidden]"


def test_every_variable_that_holds_a_key_is_kept_from_other_processes() -> None:
    secret = {"api_key", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"}
    for provider in PROVIDERS.values():
        for parameter, names in (*provider.needs.items(), *provider.takes.items()):
            assert parameter not in secret or {*names} <= PROVIDER_KEYS


def test_who_switches_a_provider_off_knows_all_of_them() -> None:
    assert set(wire.PROVIDERS) == {*PROVIDERS, BLUEPRINT.partition("/")[0]}


def test_limits_are_a_provider_s_or_a_model_s() -> None:
    models = read_chains("openai/x,groq/y").all
    limits = read_limits("openai=50rpm, 1000tpm; groq/y=5rpm", models)
    assert limits == {"openai": Limit(rpm=50, tpm=1000), "groq/y": Limit(rpm=5)}
    for wrong, sentence in (("acme=1rpm", "no provider or model"), ("openai=many", "write 'openai'=<n>rpm")):
        with pytest.raises(SettingsError) as told:
            read_limits(wrong, models)
        assert sentence in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        f"Incorrect API key provided: {KEY}",
        "Authorization: Bearer abcdefghijk",
        "x-api-key: abcdefghijk",
        "key gsk_abcdefghijk is wrong",
        "http://user:abcdefghijk@host/v1 refused",
        "https://host/v1?api_key=abcdefghijk&x=1",
        "AKIAABCDEFGHIJKLMNOP",
        "sk-proj-abcdefghijk",
    ],
)
def test_what_looks_like_a_key_is_hidden(text: str) -> None:
    told = Scrub([KEY])(text)
    assert "[hidden]" in told
    assert "abcdefghijk" not in told
    assert KEY not in told


def test_a_key_that_is_a_word_stays_in_answers_and_is_hidden_in_errors() -> None:
    scrub = Scrub(["ollama", "a-real-key-of-some-length"])
    assert scrub.answer("import ollama  # a-real-key-of-some-length") == "import ollama  # [hidden]"
    assert scrub("import ollama  # a-real-key-of-some-length") == "import [hidden] # [hidden]"


def test_a_sentence_stays_as_it_is_but_short_and_on_one_line() -> None:
    assert Scrub([])("The model is overloaded.\n\x1b[31mTry again\x00") == "The model is overloaded. [31mTry again"
    assert len(Scrub([])("x" * 10_000)) == MOST


def test_prices_are_read_for_a_million_tokens_and_every_mistake_is_told() -> None:
    models = read_chains("openai/x@http://127.0.0.1:1/v1,vllm/org/y:1@http://127.0.0.1:2/v1").all
    prices = read_prices("openai/x = 2.5/10 ; vllm/org/y:1=0.1/0", models)
    assert (prices["openai/x"].cost_in, prices["openai/x"].cost_out) == pytest.approx((2.5e-6, 1e-5))
    assert prices["vllm/org/y:1"].cost_out == 0
    for wrong in ("openai/z=1/2", "openai/x=1", "openai/x=-1/2", "openai/x=1/2/3", "openai/x"):
        with pytest.raises(SettingsError, match="QL_MODEL_PRICES"):
            read_prices(wrong, models)
