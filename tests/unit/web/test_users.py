"""The users file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pibramble.errors import UsageError
from pibramble.web import passwords
from pibramble.web.access import Person
from pibramble.web.users import User, Users, UsersFileError, parse, render

HASH = passwords.hashed("correct horse")
ADA = User(Person("ada", ("*",), ("sw1", 'odd "name"')), password=HASH)
BOT = User(Person("bo.t", (), ()), token=passwords.token_digest("x"))


def test_what_is_written_is_read_back() -> None:
    text = render({"ada": ADA, "bo.t": BOT})
    assert parse(text, Path("users.toml")) == {"ada": ADA, "bo.t": BOT}


def test_the_file_is_private_and_holds_no_password(tmp_path: Path) -> None:
    users = Users(tmp_path / "console" / "users.toml")
    users.put(ADA)
    assert stat.S_IMODE(users.path.stat().st_mode) == 0o600
    assert "correct horse" not in users.path.read_text()


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    users = Users(tmp_path / "users.toml")
    users.put(ADA)
    users.path.chmod(0o640)
    with pytest.raises(UsersFileError, match="mode 640") as caught:
        users.all()
    assert "chmod 600" in str(caught.value)


def test_a_change_is_seen_at_once_and_by_another_reader(tmp_path: Path) -> None:
    reader, writer = Users(tmp_path / "users.toml"), Users(tmp_path / "users.toml")
    assert reader.all() == {}
    writer.put(ADA)
    writer.put(BOT)
    assert set(reader.all()) == {"ada", "bo.t"}
    writer.remove("ada")
    assert set(reader.all()) == {"bo.t"}
    writer.path.unlink()
    assert reader.all() == {}


def test_a_token_finds_its_user(tmp_path: Path) -> None:
    users = Users(tmp_path / "users.toml")
    users.put(ADA)
    users.put(BOT)
    assert users.by_token("x") == BOT
    assert users.by_token("") is None
    assert users.by_token("y") is None


@pytest.mark.parametrize("name", ["", "Ada", "a b", "-a", "a" * 33, "a\n"])
def test_a_name_that_would_be_trouble_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no user name"):
        Users(tmp_path / "users.toml").put(User(Person(name), password=HASH))


def test_removing_nobody_says_who_there_is(tmp_path: Path) -> None:
    users = Users(tmp_path / "users.toml")
    users.put(ADA)
    with pytest.raises(UsageError) as caught:
        users.remove("bob")
    assert "there are: ada" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[users.ada\n", "users.toml: Expected"),
        ("\n[guests]\n", 'users.toml:2: unknown section "guests"'),
        ("[users.ada]\n", "users.toml:1: ada has neither password nor token"),
        ('[users.ada]\npassword = "letmein"\n', "users.toml:1: ada: this is no password's hash"),
        (f'[users.ada]\npassword = "{HASH}"\nread = "sw1"\n', "users.toml:1: ada: `read` and `write` are lists"),
        (f'[users.ada]\npassword = "{HASH}"\nadmin = true\n', "users.toml:1: ada: known keys are"),
        (f'# x\n[users.Ada]\npassword = "{HASH}"\n', 'users.toml:2: "Ada" is no user name'),
    ],
)
def test_a_damaged_file_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(UsersFileError) as caught:
        parse(text, Path("users.toml"))
    assert str(caught.value).startswith(said)
