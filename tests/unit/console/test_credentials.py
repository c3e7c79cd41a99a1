"""Credentials come from a private file, from ~/.netrc or from the person; what is wrong is said at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibramble.console.credentials import Credentials, CredentialsError, choose, from_file, from_netrc
from pibramble.errors import MissingError


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_file_says_who(tmp_path: Path) -> None:
    file = private(tmp_path / "c.toml", 'username = "ada"\npassword = "x"\nsecret = "y"\n')
    assert from_file(file) == Credentials("ada", "x", "y")
    assert "x" not in repr(from_file(file)).removeprefix("Credentials")
    assert from_file(private(tmp_path / "d.toml", 'password = "line"\n')) == Credentials("", "line")


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ('username = "ada"\n', 0o604, "others can read this file"),
        ("password = hunter2\n", 0o600, "this is no TOML"),
        ('passwd = "x"\n', 0o600, "`passwd` is not understood"),
        ("password = 7\n", 0o600, "`password` is not understood"),
    ],
)
def test_a_file_that_will_not_do_is_named_without_its_secrets(tmp_path: Path, text: str, mode: int, said: str) -> None:
    file = private(tmp_path / "c.toml", text, mode)
    with pytest.raises(CredentialsError, match=said) as raised:
        from_file(file)
    assert str(raised.value).startswith(str(file))
    assert "hunter2" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="cannot be read"):
        from_file(tmp_path / "none.toml")


def test_netrc_knows_machines_by_the_names_of_their_ports(tmp_path: Path) -> None:
    file = private(tmp_path / ".netrc", "machine sw1 login ada password x account y\nmachine sw2 password z\n")
    assert from_netrc("sw1", file) == Credentials("ada", "x", "y")
    assert from_netrc("sw2", file) == Credentials("", "z")
    assert from_netrc("sw3", file) is None
    assert from_netrc("sw1", tmp_path / "none") is None


def test_a_netrc_that_others_can_read_is_refused_only_if_it_is_needed(tmp_path: Path) -> None:
    file = private(tmp_path / ".netrc", "machine sw1 login ada password x\n", 0o644)
    assert from_netrc("sw2", file) is None
    with pytest.raises(CredentialsError, match="others can read this file"):
        from_netrc("sw1", file)


def test_the_person_is_asked_last_and_the_secrets_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    asked: list[tuple[str, bool]] = []

    def ask(question: str, hidden: bool) -> str:  # noqa: FBT001 (choose's own)
        asked.append((question.split(maxsplit=1)[0], hidden))
        return question.split(maxsplit=1)[0].lower()

    assert choose("sw1", None, ask) == Credentials("username", "password", "enable")
    assert asked == [("Username", False), ("Password", True), ("Enable", True)]
    with pytest.raises(MissingError, match="There is nobody to ask"):
        choose("sw1", None, None)
