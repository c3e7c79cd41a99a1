"""The users file: who may log in to the pages, and which ports each may read and write.

A TOML file, 0600, written by `pibramble serve user`, readable to a person:

    [users.ada]
    password = "scrypt$16384$8$5$...$..."
    read = ["*"]
    write = ["sw1", "router-*"]
"""

from __future__ import annotations

import hmac
import json
import re
import stat
import tomllib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType

import attrs

from pibramble import locks, paths
from pibramble.errors import Exit, Location, PibrambleError, UsageError
from pibramble.web import passwords
from pibramble.web.access import Person

USERS_FILE = "users.toml"
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,31}")
_KEYS = {"password", "token", "read", "write"}
_HEAD = "# Who may log in to pibramble's pages. `pibramble serve user` writes this file.\n"


class UsersFileError(PibrambleError):
    """The users file is damaged, or open to others."""

    exit_code = Exit.WRONG


@attrs.frozen
class User:
    """Somebody who can log in."""

    person: Person
    password: str = ""  # a hash; empty: by token alone
    token: str = ""  # a digest


class Users:
    """All users, as the file has them now: whoever is removed is out at once."""

    def __init__(self, path: Path) -> None:
        """Read `path` when somebody asks; no file means nobody."""
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._users: Mapping[str, User] = MappingProxyType({})

    def all(self) -> Mapping[str, User]:
        """Return all users by name. Raises UsersFileError."""
        try:
            now = self.path.stat()
        except FileNotFoundError:
            self._seen, self._users = None, MappingProxyType({})
            return self._users
        if stat.S_IMODE(now.st_mode) & 0o077:
            mode = stat.S_IMODE(now.st_mode)
            raise UsersFileError(
                f"{self.path}: other people of this machine can read it (mode {mode:03o})",
                hint=f"chmod 600 {self.path}",
            )
        seen = (now.st_ino, now.st_size, now.st_mtime_ns)
        if seen != self._seen:
            self._users = MappingProxyType(parse(self.path.read_text(encoding="utf-8"), self.path))
            self._seen = seen
        return self._users

    def by_token(self, token: str) -> User | None:
        """Return whose token that is. Raises UsersFileError."""
        digest = passwords.token_digest(token)
        found = [user for user in self.all().values() if user.token and hmac.compare_digest(user.token, digest)]
        return found[0] if found else None

    def check_name(self, name: str) -> None:
        """Raise UsageError for what is no user name."""
        if not _NAME.fullmatch(name):
            raise UsageError(f'"{name}" is no user name', hint="small letters, digits, and . _ - between them")

    def put(self, user: User) -> None:
        """Add a user, or change him. Raises UsersFileError, UsageError, BusyError."""
        if not _NAME.fullmatch(user.person.name):
            raise UsageError(
                f'"{user.person.name}" is no user name', hint="small letters, digits, and . _ - between them"
            )
        with self._locked():
            self._write({**self.all(), user.person.name: user})

    def remove(self, name: str) -> None:
        """Remove a user. Raises UsersFileError, UsageError, BusyError."""
        with self._locked():
            left = dict(self.all())
            if left.pop(name, None) is None:
                raise UsageError(f"there is no user {name}", hint=f"there are: {', '.join(left) or 'none'}")
            self._write(left)

    def _locked(self) -> AbstractContextManager[None]:
        return locks.held(self.path.with_name(f".{self.path.name}.lock"), "serve user", patience_s=5)

    def _write(self, users: Mapping[str, User]) -> None:
        paths.write_private(self.path, render(users))


def parse(text: str, path: Path) -> dict[str, User]:
    """Return the users of a users file. Raises UsersFileError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsersFileError(f"{path}: {error}") from None
    if unknown := sorted(document.keys() - {"users"}):
        raise _wrong(path, text, unknown[0], f'unknown section "{unknown[0]}"')
    entries = document.get("users", {})
    if not isinstance(entries, dict):
        raise _wrong(path, text, "users", "`users` is no table of users")
    return {name: _user(name, entry, text, path) for name, entry in entries.items()}


def render(users: Mapping[str, User]) -> str:
    """Return the users file of these users."""
    return _HEAD + "".join(f"\n{_section(user)}" for user in users.values())


def _user(name: str, entry: object, text: str, path: Path) -> User:
    place = f"users.{name}"
    if not _NAME.fullmatch(name):
        raise _wrong(path, text, place, f'"{name}" is no user name')
    if not isinstance(entry, dict) or entry.keys() - _KEYS:
        raise _wrong(path, text, place, f"{name}: known keys are {', '.join(sorted(_KEYS))}")
    secrets = {key: entry.get(key, "") for key in ("password", "token")}
    patterns = {key: entry.get(key, []) for key in ("read", "write")}
    if not all(isinstance(secret, str) for secret in secrets.values()) or not any(secrets.values()):
        raise _wrong(path, text, place, f"{name} has neither password nor token")
    if not all(isinstance(items, list) and all(isinstance(item, str) for item in items) for items in patterns.values()):
        raise _wrong(path, text, place, f'{name}: `read` and `write` are lists of ports: ["sw1", "router-*"]')
    if secrets["password"]:
        try:
            passwords.check(secrets["password"])
        except ValueError:
            raise _wrong(path, text, place, f"{name}: this is no password's hash") from None
    return User(Person(name, tuple(patterns["read"]), tuple(patterns["write"])), secrets["password"], secrets["token"])


def _wrong(path: Path, text: str, place: str, message: str) -> UsersFileError:
    number = next((number for number, line in enumerate(text.splitlines(), 1) if place in line), 0)
    return UsersFileError(
        message, where=Location(str(path), number), hint="`pibramble serve user add` writes it rightly"
    )


def _section(user: User) -> str:
    person = user.person
    secrets = [
        f"{key} = {json.dumps(value)}" for key, value in (("password", user.password), ("token", user.token)) if value
    ]
    lists = [f"{key} = {json.dumps(list(value))}" for key, value in (("read", person.read), ("write", person.write))]
    name = person.name if "." not in person.name else json.dumps(person.name)
    return "\n".join((f"[users.{name}]", *secrets, *lists)) + "\n"
