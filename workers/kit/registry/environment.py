"""What uv and pip are told of our environment: where the index is and how to reach it, and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_REACHING = frozenset(
    ["SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"]
    + [spelled for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for spelled in (name, name.lower())]
)
# pip does not read uv's settings: the same index under pip's names.
_FOR_PIP = {
    "UV_DEFAULT_INDEX": "PIP_INDEX_URL",
    "UV_INDEX_URL": "PIP_INDEX_URL",
    "UV_INDEX": "PIP_EXTRA_INDEX_URL",
    "UV_EXTRA_INDEX_URL": "PIP_EXTRA_INDEX_URL",
    "UV_FIND_LINKS": "PIP_FIND_LINKS",
    "UV_NO_INDEX": "PIP_NO_INDEX",
}


def for_uv(cache: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """`cache` is the folder that all caches go under."""
    kept = {name: value for name, value in environ.items() if name in _REACHING or name.startswith("UV_")}
    # The stage tries again by itself: one retry here is for the passing hiccup.
    kept.setdefault("UV_HTTP_RETRIES", "1")
    return {
        **kept,
        "PATH": os.defpath,
        "UV_CACHE_DIR": str(cache / "uv"),
        "NO_COLOR": "1",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }


def for_pip(cache: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The same for pip."""
    kept = {name: value for name, value in environ.items() if name in _REACHING}
    index = {ours: _without_names(environ[name]) for name, ours in _FOR_PIP.items() if name in environ}
    return {
        **kept,
        **index,
        "PATH": os.defpath,
        "PIP_CACHE_DIR": str(cache / "pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "NO_COLOR": "1",
    }


def _without_names(indexes: str) -> str:
    """uv takes `name=address`; pip takes addresses only."""
    return " ".join(re.sub(r"^[A-Za-z0-9._-]+=", "", part) for part in indexes.split())
