"""Where the data of a user lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.local.paths import data_home


def test_data_lives_where_the_xdg_specification_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert data_home() == Path("/home/someone/.local/state/quantumlayer")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert data_home() == Path("/state/quantumlayer")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert data_home() == Path("/var/lib/quantumlayer")
