"""Who logs in on a device: from a private file, from ~/.netrc, or from the person; never from the command line."""

from __future__ import annotations

import netrc
import tomllib
from collections.abc import Callable
from pathlib import Path

import attrs

from pibramble.errors import Exit, Location, MissingError, PibrambleError

_OTHERS = 0o077
_KEYS = ("username", "password", "secret")


class CredentialsError(PibrambleError):
    """Credentials cannot be used."""

    exit_code = Exit.WRONG


@attrs.frozen
class Credentials:
    """A name and its secrets; they show up in no message and no log."""

    username: str = ""
    password: str = attrs.field(default="", repr=False)
    secret: str = attrs.field(default="", repr=False)  # Cisco's enable secret; empty: none is needed


def from_file(path: Path) -> Credentials:
    """Read `username`, `password` and `secret` from a TOML file that nobody else can read. Raises CredentialsError."""
    try:
        others = path.stat().st_mode & _OTHERS
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialsError(f"cannot be read: {error}", where=Location(str(path))) from None
    if others:
        raise CredentialsError("others can read this file", where=Location(str(path)), hint=f"chmod 600 {path}")
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise CredentialsError("this is no TOML", where=Location(str(path)), hint='username = "ada"') from None
    for key, value in said.items():
        if key not in _KEYS or not isinstance(value, str):
            hint = f"known are {', '.join(_KEYS)}, each a text"
            raise CredentialsError(f"`{key}` is not understood", where=Location(str(path)), hint=hint)
    return Credentials(**said)


def from_netrc(machine: str, path: Path | None = None) -> Credentials | None:
    """Return what ~/.netrc says of a machine (login, password, and as account the enable secret); None: nothing.

    Raises CredentialsError for a file that others can read, or that makes no sense.
    """
    path = Path.home() / ".netrc" if path is None else path
    if not path.exists():
        return None
    try:
        found = netrc.netrc(path).hosts.get(machine)
    except (netrc.NetrcParseError, OSError) as error:
        raise CredentialsError(f"{error}", where=Location(str(path))) from None
    if found is None:
        return None
    if path.stat().st_mode & _OTHERS:
        raise CredentialsError("others can read this file", where=Location(str(path)), hint=f"chmod 600 {path}")
    login, account, password = found
    return Credentials(login or "", password or "", account or "")


def choose(machine: str, file: Path | None, ask: Callable[[str, bool], str] | None) -> Credentials:
    """Return the credentials for a machine; `ask` asks the person, hidden or not: None where nobody is there.

    Raises CredentialsError, MissingError.
    """
    if file is not None:
        return from_file(file)
    if (found := from_netrc(machine)) is not None:
        return found
    if ask is None:
        hint = f"--credentials FILE (TOML, 0600), or a line in ~/.netrc: machine {machine} login ... password ..."
        raise MissingError(f"who is to log in on {machine}? There is nobody to ask", hint=hint)
    return Credentials(
        ask(f"Username on {machine} (none: Enter)", False),  # noqa: FBT003 (hidden or not)
        ask("Password", True),  # noqa: FBT003
        ask("Enable secret (none: Enter)", True),  # noqa: FBT003
    )
