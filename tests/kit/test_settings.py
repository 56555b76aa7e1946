"""What a process is told by its environment: each mistake named, no secret repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.kit.settings import SettingsError, load


def test_an_empty_environment_gives_the_defaults_whatever_ours_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QL_HTTP_PORT", "1234")
    assert load({}).http_port == 8080
    assert load().http_port == 1234


def test_only_our_own_variables_are_read() -> None:
    assert load({"PATH": "/bin", "HTTP_PORT": "1", "QL_NATS_URL": "nats://h:1"}).nats_url == "nats://h:1"


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text("postgresql://u:p@h/d\n")
    assert load({"QL_DATABASE_URL_FILE": str(file)}).database_url == "postgresql://u:p@h/d"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"QL_DATABSE_URL": "postgresql://u:hunter2@h/d"}, "QL_DATABSE_URL is no setting"),
        ({"QL_HTTP_PORT": "hunter2"}, "QL_HTTP_PORT: "),
        ({"QL_HTTP_PORT": "70000"}, "QL_HTTP_PORT: "),
        ({"QL_NATS_SYNC": "hunter2"}, "QL_NATS_SYNC: "),
        ({"QL_LEASE_S": "0"}, "QL_LEASE_S: "),
        ({"QL_NATS_URL_FILE": "/no/such/file"}, "QL_NATS_URL_FILE names a file that can't be read"),
    ],
)
def test_what_is_wrong_is_named_without_its_value(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as raised:
        load(given)
    assert "hunter2" not in str(raised.value)


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(SettingsError, match=r"QL_ATTEMPTS: .*; QL_SLOTS: "):
        load({"QL_SLOTS": "0", "QL_ATTEMPTS": "none"})
