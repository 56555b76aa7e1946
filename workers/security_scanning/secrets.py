"""detect-secrets, in process, with every plugin. Its allow-list comments count for nothing, and nothing is verified

over the network. A finding names the kind and the line, never the secret.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import get_settings, transient_settings

from contracts.artifacts import Finding

from .folder import Laid

TOOL = f"detect-secrets {version('detect-secrets')}"
# What code says about itself, and what goes by a file's name: ours are made up.
_NOT_TRUSTED = (
    "allowlist.is_line_allowlisted",
    "heuristic.is_lock_file",
    "heuristic.is_non_text_file",
    "heuristic.is_swagger_file",
)


def scan(laid: Laid) -> list[Finding]:
    """Every secret is an error."""
    known: dict[str, type] = get_mapping_from_secret_type_to_class()
    plugins = sorted(plugin.__name__ for plugin in known.values())
    with transient_settings({"plugins_used": [{"name": name} for name in plugins]}):
        get_settings().disable_filters(*(f"detect_secrets.filters.{name}" for name in _NOT_TRUSTED))
        return [finding for place, path in laid.files.items() for finding in _scan(place, path)]


def _scan(place: str, path: str) -> list[Finding]:
    collection = SecretsCollection()
    # It only logs a file that it can't read.
    Path(place).read_text(encoding="utf-8")
    collection.scan_file(place)
    return [
        Finding(rule="secret", message=f"looks like a secret: {secret.type}", path=path, line=secret.line_number)
        for _, secret in collection
    ]
