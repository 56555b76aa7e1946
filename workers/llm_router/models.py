"""Which models there are and how to reach them: read once from QL_MODELS and the providers' variables.

`QL_MODELS` is the default group's chain, best first; further groups follow as `;<group>=<chain>`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from urllib.parse import urlsplit

import msgspec

from workers.kit.settings import PROVIDER_KEYS, SettingsError, from_file

BLUEPRINT = "blueprint/default"
DEFAULT = ""
OLLAMA_CONTEXT = 16_384
"""What an Ollama model is told to hold, where QL_MODEL_CONTEXTS says nothing: by itself it cuts at 4,096 without a
word, less than most questions of the stages."""
_CONTEXT = re.compile(r"[1-9][0-9]{2,7}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}")
_GROUP = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_LIMIT = re.compile(r"([0-9]{1,12})\s*(rpm|tpm)")
_PRICE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*/\s*([0-9]{1,6}(?:\.[0-9]{1,6})?)")


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """How one maker's models are reached: litellm's name of it, its key and what else it takes.

    `needs` and `takes` map litellm's parameters to variables (any of several names); `url` is a parameter's own
    variable. `elsewhere`: without a key too, where the model names its own endpoint.
    """

    litellm: str
    needs: dict[str, tuple[str, ...]] = {}
    takes: dict[str, tuple[str, ...]] = {}
    fixed: dict[str, str] = {}
    elsewhere: bool = False
    url: str = ""
    default_url: str = ""


PROVIDERS: dict[str, Provider] = {
    "openai": Provider(litellm="openai", needs={"api_key": ("OPENAI_API_KEY",)}, elsewhere=True),
    "azure": Provider(
        litellm="azure",
        needs={"api_key": ("AZURE_API_KEY",)},
        takes={"api_version": ("AZURE_API_VERSION",)},
        fixed={"api_version": "2024-10-21"},
        url="AZURE_API_BASE",
    ),
    "anthropic": Provider(litellm="anthropic", needs={"api_key": ("ANTHROPIC_API_KEY",)}),
    "bedrock": Provider(
        litellm="bedrock/converse",
        needs={
            "aws_access_key_id": ("AWS_ACCESS_KEY_ID",),
            "aws_secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
            "aws_region_name": ("AWS_REGION", "AWS_REGION_NAME", "AWS_DEFAULT_REGION"),
        },
        takes={"aws_session_token": ("AWS_SESSION_TOKEN",)},
    ),
    "groq": Provider(litellm="groq", needs={"api_key": ("GROQ_API_KEY",)}),
    "ollama": Provider(
        litellm="ollama_chat", takes={"api_key": ("OLLAMA_API_KEY",)}, default_url="http://127.0.0.1:11434"
    ),
    "vllm": Provider(litellm="hosted_vllm", takes={"api_key": ("VLLM_API_KEY",)}, url="VLLM_API_BASE"),
}


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model of a chain; `name` is what everybody is told, `url` its endpoint where it has one of its own."""

    name: str
    url: str = ""

    @property
    def provider(self) -> str:
        return self.name.partition("/")[0]

    @property
    def place(self) -> str:
        """The model where it is: equal names behind two endpoints fall ill one by one."""
        return f"{self.name}@{self.url}" if self.url else self.name


class Chains(msgspec.Struct, frozen=True, kw_only=True):
    """The chain of each group; '' is the default group's."""

    groups: dict[str, tuple[Model, ...]]

    def of(self, group: str) -> tuple[Model, ...]:
        """The group's chain, or the default one for a group that nobody set. A model's name is its own group, which is
        empty where QL_MODELS does not name it any more: nobody must answer in its place.
        """
        if "/" in group:
            return tuple(model for model in self.all if model.name == group)
        return self.groups.get(group) or self.groups[DEFAULT]

    def identity(self, model: Model) -> str:
        """What the ledger calls it: its name, wherever it is reached, but for one of two that share a name."""
        alike = sum(other.name == model.name for other in self.all)
        return model.place if alike > 1 else model.name

    @property
    def all(self) -> tuple[Model, ...]:
        return tuple(dict.fromkeys(model for chain in self.groups.values() for model in chain))


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """Calls and tokens a minute; 0: any number."""

    rpm: int = 0
    tpm: int = 0


def read_chains(text: str) -> Chains:
    """The chains that QL_MODELS names; raises `SettingsError`."""
    groups: dict[str, tuple[Model, ...]] = {}
    for place, part in enumerate(text.split(";")):
        group, named, chain = part.rpartition("=") if place else ("", "", part)
        group = group.strip()
        if place and not (named and _GROUP.fullmatch(group)):
            raise SettingsError(f"QL_MODELS: {_shown(part)} is no group; write <group>=<model>,<model>")
        if group in groups:
            raise SettingsError(f"QL_MODELS names the group {group!r} twice")
        groups[group] = tuple(dict.fromkeys(read_model(one, "QL_MODELS") for one in chain.split(",")))
    return Chains(groups=groups)


def read_model(text: str, setting: str) -> Model:
    """One `<provider>/<model>[@<url>]`; raises `SettingsError`."""
    name, _, url = text.strip().partition("@")
    provider, _, rest = name.partition("/")
    if not rest or not _NAME.fullmatch(name):
        raise SettingsError(f"{setting}: {_shown(name)} is no model; write <provider>/<model>")
    if provider == "blueprint" and (name != BLUEPRINT or url):
        raise SettingsError(f"{setting}: the only built-in model is {BLUEPRINT}, without a URL")
    if provider not in PROVIDERS and provider != "blueprint":
        known = ", ".join(sorted([*PROVIDERS, "blueprint"]))
        raise SettingsError(
            f"{setting}: {_shown(provider)} is no provider that the router knows ({known}); "
            "one that speaks OpenAI's format is reached as openai/<model>@<url>"
        )
    if url:
        _check_url(url, f"{setting}: the URL of {name}")
    return Model(name=name, url=url.rstrip("/"))


def _check_url(url: str, whose: str) -> None:
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise SettingsError(f"{whose} holds a password; give the key in the provider's variable")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise SettingsError(f"{whose} is no http or https URL")


def read_limits(text: str, models: tuple[Model, ...]) -> dict[str, Limit]:
    """QL_MODEL_LIMITS: by provider or model; raises `SettingsError`."""
    limits: dict[str, Limit] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, numbers = (word.strip() for word in part.partition("="))
        if name not in {word for model in models for word in (model.name, model.provider)}:
            raise SettingsError(f"QL_MODEL_LIMITS: {_shown(name)} is no provider or model of QL_MODELS")
        found = [_LIMIT.fullmatch(number.strip()) for number in numbers.split(",")]
        if not all(found):
            raise SettingsError(f"QL_MODEL_LIMITS: write {_shown(name)}=<n>rpm,<n>tpm")
        limits[name] = Limit(**{match[2]: int(match[1]) for match in found if match})
    return limits


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars a token."""

    cost_in: float
    cost_out: float


def read_prices(text: str, models: tuple[Model, ...]) -> dict[str, Price]:
    """QL_MODEL_PRICES: by model, for a million tokens; raises `SettingsError`."""
    prices: dict[str, Price] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, numbers = (word.strip() for word in part.partition("="))
        if name not in {model.name for model in models}:
            raise SettingsError(f"QL_MODEL_PRICES: {_shown(name)} is no model of QL_MODELS")
        if not (found := _PRICE.fullmatch(numbers)):
            raise SettingsError(
                f"QL_MODEL_PRICES: write {_shown(name)}=<read>/<written>, in US dollars a million tokens"
            )
        prices[name] = Price(cost_in=float(found[1]) / 1e6, cost_out=float(found[2]) / 1e6)
    return prices


Parameters = dict[str, str]
"""litellm's own names for key, endpoint and so on."""


def read_contexts(text: str, models: tuple[Model, ...]) -> dict[str, int]:
    """QL_MODEL_CONTEXTS: tokens by model; raises `SettingsError`."""
    contexts: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, number = (word.strip() for word in part.partition("="))
        if name not in {model.name for model in models}:
            raise SettingsError(f"QL_MODEL_CONTEXTS: {name[:24]!r} is no model of QL_MODELS")
        if not _CONTEXT.fullmatch(number):
            raise SettingsError(f"QL_MODEL_CONTEXTS: write {name}=<tokens>")
        contexts[name] = int(number)
    own = {model.name: OLLAMA_CONTEXT for model in models if model.provider == "ollama"}
    return own | contexts


def read_parameters(model: Model, environ: Mapping[str, str]) -> Parameters:
    """What litellm needs to reach the model, with its key; raises `SettingsError` that names the missing variable."""
    provider = PROVIDERS[model.provider]
    found = dict(provider.fixed)
    for parameter, names in provider.needs.items():
        value = _given(names, environ)
        if value:
            found[parameter] = value
        elif not (model.url and provider.elsewhere):
            asked = " or ".join(names)
            raise SettingsError(f"{model.name} needs {asked}: set it, or {names[0]}_FILE to a file that holds it")
    for parameter, names in provider.takes.items():
        if value := _given(names, environ):
            found[parameter] = value
    url = model.url or (environ.get(provider.url, "") if provider.url else "") or provider.default_url
    if provider.url and not url:
        raise SettingsError(f"{model.name} needs its endpoint: set {provider.url}, or write {model.name}@<url>")
    if url:
        _check_url(url, f"{provider.url or 'QL_MODELS'}: the URL of {model.name}")
        found["api_base"] = url
    if provider.elsewhere or provider.litellm == "hosted_vllm":
        found.setdefault("api_key", "none")  # else litellm looks for one elsewhere
    return found


def _given(names: tuple[str, ...], environ: Mapping[str, str]) -> str:
    for name in names:
        if value := environ.get(name, "").strip():
            return value
        if path := environ.get(f"{name}_FILE"):
            return from_file(f"{name}_FILE", path)
    return ""


def forget_keys(environ: MutableMapping[str, str]) -> None:
    """Nothing that this process starts or imports finds a key any more."""
    for name in PROVIDER_KEYS:
        environ.pop(name, None)


def secrets(parameters: Parameters) -> tuple[str, ...]:
    """The values among them that nobody may see."""
    hidden = ("api_key", "aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return tuple(parameters[name] for name in hidden if parameters.get(name, "none") != "none")


def _shown(text: str) -> str:
    """Somebody may have put a key here."""
    return repr(text.strip()[:24])
