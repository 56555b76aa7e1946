"""bandit, in process. `# nosec` counts for nothing: the code may not excuse itself."""

from __future__ import annotations

import warnings
from importlib.metadata import version
from typing import Any

from contracts.artifacts import Finding, Severity

from .folder import Laid

with warnings.catch_warnings():
    # Its plugin loader passes an argument that stevedore has just deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from bandit.core import config, manager

TOOL = f"bandit {version('bandit')}"
_GRAVE = frozenset(["MEDIUM", "HIGH"])
# Their sentences repeat the password that they found.
_TELLTALE = frozenset(["B105", "B106", "B107"])


def scan(laid: Laid) -> list[Finding]:
    """Medium severity with medium confidence is an error, less is a note. Raises when a file could not be scanned."""
    wanted = [place for place, path in laid.files.items() if path.endswith((".py", ".pyi"))]
    bandit = manager.BanditManager(config.BanditConfig(), "file", ignore_nosec=True)
    bandit.discover_files(wanted, recursive=False, excluded_paths=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the code's own string escapes
        bandit.run_tests()
    if bandit.skipped:
        raise ValueError("; ".join(f"{laid.named(place)} {reason}" for place, reason in bandit.skipped))
    return [_finding(issue, laid) for issue in bandit.get_issue_list()]


def _finding(issue: Any, laid: Laid) -> Finding:
    grave = issue.severity in _GRAVE and issue.confidence in _GRAVE
    severity: Severity = "error" if grave else "note"
    message = issue.text.partition(":")[0] if issue.test_id in _TELLTALE else issue.text
    path = laid.files[issue.fname]
    return Finding(rule=issue.test_id, message=message, severity=severity, path=path, line=issue.lineno)
