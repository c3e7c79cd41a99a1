"""Reads profiles: those that come along, and over them a person's own of ~/.config/pibramble/profiles/."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path as FilePath
from typing import Any, TypeVar

import attrs

from pibramble.console.model import Break, Button, Confirm, Enter, Pacing, Profile, Send, Settings, Step, WaitFor
from pibramble.errors import Exit, Location, PibrambleError
from pibramble.paths import config_folder
from pibramble.spec.findings import did_you_mean, listed
from pibramble.spec.locate import Lines, Path, locate

_OWN = FilePath(__file__).with_name("profiles")

LONGEST_BREAK_SECONDS = 10
LONGEST_WAIT_SECONDS = 3600

_Value = TypeVar("_Value")


class ProfileError(PibrambleError):
    """A profile cannot be used; the place is the offending line."""

    exit_code = Exit.WRONG
    standalone = True


class UnknownProfileError(PibrambleError):
    """There is no such profile."""

    exit_code = Exit.WRONG


class _WrongError(Exception):
    """What is wrong at a path of one file, before anybody knows on which line."""

    def __init__(self, path: Path, message: str, cure: str = "", *, on_key: bool = False) -> None:
        super().__init__(message)
        self.path, self.message, self.cure, self.on_key = path, message, cure, on_key


def own_folder() -> FilePath:
    """Return the folder of a person's own profiles."""
    return config_folder() / "profiles"


def names(folder: FilePath | None = None) -> tuple[str, ...]:
    """Return the names of all profiles; nothing but folders is read."""
    return tuple(sorted(_files(folder or own_folder())))


def load(name: str, folder: FilePath | None = None) -> Profile:
    """Return a profile; `folder` holds a person's own, by default `own_folder()`.

    Raises UnknownProfileError, or ProfileError with file and line.
    """
    return _load(name, _files(folder or own_folder()), ())


def load_all(folder: FilePath | None = None) -> Mapping[str, Profile]:
    """Return every profile by its name. Raises ProfileError."""
    files = _files(folder or own_folder())
    return {name: _load(name, files, ()) for name in sorted(files)}


def _files(folder: FilePath) -> Mapping[str, FilePath]:
    found = {path.stem: path for path in _OWN.glob("*.toml")}
    with suppress(OSError):  # there is none, or it is somebody else's
        found.update({path.stem: path for path in sorted(folder.iterdir()) if path.suffix == ".toml"})
    return found


def _load(name: str, files: Mapping[str, FilePath], above: tuple[FilePath, ...]) -> Profile:
    path = files.get(name)
    if path is None:
        raise UnknownProfileError(
            f'there is no profile "{name}"', hint=did_you_mean(name, list(files), f"there are {listed(sorted(files))}")
        )
    try:
        text = path.read_text(encoding="utf-8")
        said = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"cannot be read: {error}", where=Location(str(path))) from None
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"this is no TOML: {error}", where=Location(str(path))) from None
    try:
        like = _like(name, said, files, (*above, path))
        return _profile(name, said, like)
    except _WrongError as wrong:
        raise ProfileError(wrong.message, hint=wrong.cure, where=_where(path, text, wrong)) from None


def _like(
    name: str, said: Mapping[str, Any], files: Mapping[str, FilePath], above: tuple[FilePath, ...]
) -> Profile | None:
    """Return the profile that this one takes its other words from."""
    other = _take(said, "like", (), _text)
    if other is None:
        return None
    if other == name and files[name].parent != _OWN and (_OWN / f"{name}.toml").exists():
        return _load(name, {**files, name: _OWN / f"{name}.toml"}, above)  # an own one over its namesake
    if other not in files:
        raise _WrongError(("like",), f'there is no profile "{other}"', did_you_mean(other, list(files), ""))
    if files[other] in above:
        raise _WrongError(("like",), f'"{other}" and "{name}" are each like the other')
    return _load(other, files, above)


def _where(path: FilePath, text: str, wrong: _WrongError) -> Location:
    places, keys = locate(text), wrong.path
    for length in range(len(keys), 0, -1):
        if place := places.get(keys[:length]):
            return Location(
                str(path), *Lines(text).place((place.key if wrong.on_key and place.key else place.span).start)
            )
    return Location(str(path))


# --- One profile ---

_KEYS = ("like", "title", "settings", "enter", "pacing", "prompts", "buttons", "netmiko_type", "break_seconds")


def _profile(name: str, said: Mapping[str, Any], like: Profile | None) -> Profile:
    _only(said, _KEYS, ())
    base = like or Profile(name, title=name)
    found: dict[str, Any] = {
        "title": _take(said, "title", (), _text),
        "settings": _take(said, "settings", (), _settings),
        "enter": _take(said, "enter", (), _enter),
        "pacing": _take(said, "pacing", (), _pacing),
        "prompts": _take(said, "prompts", (), _list(_pattern)),
        "netmiko_type": _take(said, "netmiko_type", (), _text),
        "break_seconds": _take(said, "break_seconds", (), _break_seconds),
    }
    buttons = _take(said, "buttons", (), _list(_button)) or ()
    for number, button in enumerate(buttons):
        if button.name in {other.name for other in buttons[:number]}:
            raise _WrongError(("buttons", number, "name"), f'the button "{button.name}" is there twice')
    own = {button.name for button in buttons}
    inherited = tuple(button for button in base.buttons if button.name not in own)
    return attrs.evolve(
        base,
        name=name,
        buttons=(*inherited, *buttons),
        **{key: value for key, value in found.items() if value is not None},
    )


def _button(said: object, path: Path) -> Button:
    table = _table(said, path)
    _only(table, ("name", "label", "steps"), path)
    name = _needed(table, "name", path, _text)
    steps = _needed(table, "steps", path, _list(_step))
    return Button(name, _take(table, "label", path, _text) or name, tuple(steps))


def _step(said: object, path: Path) -> Step:
    table = _table(said, path)
    kinds = [key for key in ("send", "wait_for", "break", "confirm") if key in table]
    if len(kinds) != 1:
        raise _WrongError(path, "a step is one of send, wait_for, break and confirm", '{ send = "show version\\n" }')
    _only(table, ("wait_for", "timeout_seconds") if kinds[0] == "wait_for" else tuple(kinds), path)
    match kinds[0]:
        case "send":
            return Send(_needed(table, "send", path, _text))
        case "wait_for":
            patience = _take(table, "timeout_seconds", path, _seconds(LONGEST_WAIT_SECONDS))
            return WaitFor(_needed(table, "wait_for", path, _pattern), 10 if patience is None else patience)
        case "break":
            return Break(None if table["break"] is True else _needed(table, "break", path, _break_seconds))
        case _:
            return Confirm(_needed(table, "confirm", path, _text))


def _pacing(said: object, path: Path) -> Pacing:
    table = _table(said, path)
    _only(table, ("per_character_seconds", "per_line_seconds", "check_echo"), path)
    return Pacing(
        _take(table, "per_character_seconds", path, _seconds(10)) or 0,
        _take(table, "per_line_seconds", path, _seconds(60)) or 0,
        check_echo=bool(_take(table, "check_echo", path, _bool)),
    )


# --- Single values ---


def _take(said: Mapping[str, Any], key: str, path: Path, read: Callable[[object, Path], _Value]) -> _Value | None:
    return read(said[key], (*path, key)) if key in said else None


def _needed(said: Mapping[str, Any], key: str, path: Path, read: Callable[[object, Path], _Value]) -> _Value:
    if key not in said:
        raise _WrongError(path, f"the key `{key}` is missing")
    return read(said[key], (*path, key))


def _only(said: Mapping[str, Any], known: Iterable[str], path: Path) -> None:
    for key in said:
        if key not in known:
            cure = did_you_mean(key, list(known), f"known: {listed(known)}")
            raise _WrongError((*path, key), f"unknown key `{key}`", cure, on_key=True)


def _list(read: Callable[[object, Path], _Value]) -> Callable[[object, Path], tuple[_Value, ...]]:
    def whole(said: object, path: Path) -> tuple[_Value, ...]:
        if not isinstance(said, list):
            raise _WrongError(path, "a list is expected here")
        return tuple(read(item, (*path, number)) for number, item in enumerate(said))

    return whole


def _table(said: object, path: Path) -> Mapping[str, Any]:
    if not isinstance(said, Mapping):
        raise _WrongError(path, "a table is expected here")
    return said


def _text(said: object, path: Path) -> str:
    if not isinstance(said, str) or not said:
        raise _WrongError(path, "a text is expected here")
    return said


def _bool(said: object, path: Path) -> bool:
    if not isinstance(said, bool):
        raise _WrongError(path, "true or false is expected here")
    return said


def _seconds(most: float, least: float = 0) -> Callable[[object, Path], float]:
    def seconds(said: object, path: Path) -> float:
        if isinstance(said, bool) or not isinstance(said, (int, float)) or not least <= said <= most:
            raise _WrongError(path, f"seconds are expected here, {least:g} to {most:g}")
        return float(said)

    return seconds


_break_seconds = _seconds(LONGEST_BREAK_SECONDS, least=0.001)


def _pattern(said: object, path: Path) -> str:
    text = _text(said, path)
    try:
        re.compile(text)
    except re.error as error:
        raise _WrongError(path, f"this is no regular expression: {error}") from None
    return text


def _settings(said: object, path: Path) -> Settings:
    try:
        return Settings.parse(_text(said, path))
    except ValueError as error:
        raise _WrongError(path, str(error)) from None


def _enter(said: object, path: Path) -> Enter:
    if said not in list(Enter):
        raise _WrongError(path, f"one of {listed(Enter, 'or')} is expected here")
    return Enter(str(said))
