"""Makes the accounts that sysusers.d(5) files ask for, as `systemd-sysusers --root` would, but on texts.

On a board systemd-sysusers runs only when it takes /etc for outdated; a card must have its user from the first moment,
since files belong to it, and its services theirs. Only what our own sysusers.d files use is known here: `u` with a
number or with "-" for any of the system's, and `m`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import attrs

from pibramble.errors import PibrambleError

PASSWD, GROUP, SHADOW, GSHADOW = "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"
FILES = (PASSWD, GROUP, SHADOW, GSHADOW)

_ANY = "-"
_SYSTEM_IDS = range(999, 99, -1)  # systemd-sysusers takes system accounts and groups from the top down


class AccountError(PibrambleError):
    """Account files that cannot take the accounts."""


@attrs.frozen
class Ids:
    """An account's numbers."""

    uid: int
    gid: int


def ids(passwd: str) -> dict[str, Ids]:
    """Return the numbers of all accounts."""
    fields = [line.split(":") for line in passwd.splitlines() if line.count(":") == 6]  # noqa: PLR2004 (passwd(5))
    return {name: Ids(int(uid), int(gid)) for name, _, uid, gid, *_ in fields}


def apply(config: str, texts: Mapping[str, str], *, adopt: bool = False) -> dict[str, str]:
    """Return the account files with what `config` asks for; what is there is kept. Raises AccountError.

    `texts` are the files of FILES that the base has, by path; gshadow may be missing. With `adopt` an account that has
    a number we need becomes ours, as userconf-pi renames the first user of Raspberry Pi OS: its groups stay.
    """
    files = {path: text.splitlines() for path, text in texts.items()}
    for missing in {PASSWD, GROUP, SHADOW} - set(files):
        raise AccountError(f"the base has no {missing}")
    for line in config.splitlines():
        words = shlex.split(line, comments=True)
        match words:
            case []:
                continue
            case ["u", name, number, comment, home, shell]:
                if adopt and number != _ANY:
                    _adopt(files, name, number, (comment, home, shell))
                _add_user(files, name, None if number == _ANY else int(number), (comment, home, shell))
            case ["m", user, group]:
                _add_member(files, user, group)
            case _:
                raise AccountError(f"this line of sysusers.d is not understood: {line}")
    return {path: "".join(f"{line}\n" for line in lines) for path, lines in files.items()}


def _add_user(files: dict[str, list[str]], name: str, number: int | None, rest: tuple[str, str, str]) -> None:
    users = _by_name(files[PASSWD])
    if name in users:
        return
    if number is None:
        number = _free_number(files, name)
    comment, home, shell = rest
    owner = next((other for other, fields in users.items() if fields[2] == str(number)), None)
    if owner is not None:
        raise AccountError(
            f"the base has an account {owner} with the number {number}, which {name} needs",
            hint=f'name that account in the cluster file: user = "{owner}"',
        )
    group = _by_name(files[GROUP]).get(name)
    gid: int = int(group[2]) if group else _add_group(files, name, number)
    files[PASSWD].append(f"{name}:x:{number}:{gid}:{comment}:{home}:{shell}")
    files[SHADOW].append(f"{name}:!*:::::::")


def _adopt(files: dict[str, list[str]], name: str, number: str, rest: tuple[str, str, str]) -> None:
    """Give the account of that number its new name, home and shell (Raspberry Pi OS trixie gives it none)."""
    users = _by_name(files[PASSWD])
    old = next((other for other, fields in users.items() if fields[2] == number), None)
    if old is None or (name in users and name != old):
        return
    comment, home, shell = rest
    files[PASSWD] = [
        ":".join([name, *line.split(":")[1:4], comment, home, shell]) if line.startswith(f"{old}:") else line
        for line in files[PASSWD]
    ]
    files[SHADOW] = [_renamed(line, old, name) for line in files[SHADOW]]
    free = name not in _by_name(files[GROUP])
    for path in (GROUP, GSHADOW):
        if path in files:
            lines = [_renamed(line, old, name) if free else line for line in files[path]]
            files[path] = [_with_other_member(line, old, name) for line in lines]


def _renamed(line: str, old: str, new: str) -> str:
    return f"{new}:{line.removeprefix(f'{old}:')}" if line.startswith(f"{old}:") else line


def _with_other_member(line: str, old: str, new: str) -> str:
    *fields, members = line.split(":")
    return ":".join([*fields, ",".join(new if member == old else member for member in members.split(","))])


def _add_group(files: dict[str, list[str]], name: str, number: int | None = None) -> int:
    gid = _free_number(files, name, first=number)
    files[GROUP].append(f"{name}:x:{gid}:")
    if GSHADOW in files:
        files[GSHADOW].append(f"{name}:!*::")
    return gid


def _free_number(files: Mapping[str, list[str]], name: str, first: int | None = None) -> int:
    """Return a number that neither an account nor a group has: `first` if that is free."""
    taken = {fields[2] for path in (GROUP, PASSWD) for fields in _by_name(files[path]).values()}
    candidates: list[int] = [*([first] if first is not None else []), *_SYSTEM_IDS]
    for candidate in candidates:
        if str(candidate) not in taken:
            return candidate
    raise AccountError(f"there is no number left for {name}")


def _add_member(files: dict[str, list[str]], user: str, group: str) -> None:
    if group not in _by_name(files[GROUP]):
        _add_group(files, group)
    for path in (GROUP, GSHADOW):
        if path in files:
            files[path] = [_with_member(line, user, group) for line in files[path]]


def _with_member(line: str, user: str, group: str) -> str:
    fields = line.split(":")
    members = fields[-1].split(",") if fields[-1] else []
    if fields[0] != group or user in members:
        return line
    return ":".join([*fields[:-1], ",".join([*members, user])])


def _by_name(lines: list[str]) -> dict[str, list[str]]:
    return {line.split(":")[0]: line.split(":") for line in lines if ":" in line}
