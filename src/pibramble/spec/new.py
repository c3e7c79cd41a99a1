"""New cluster files, from templates: commented, with an identity of their own, never over an old one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pibramble.errors import Exit, PibrambleError, UsageError
from pibramble.spec.findings import did_you_mean, listed

DEFAULT = "xmas"
HERE = "cluster.toml"  # what is written, and looked for, unless another is named

_FOLDER = Path(__file__).with_name("templates")
_PLACEHOLDER = "IDENTITY"


@cache
def templates() -> Mapping[str, str]:
    """Return the names of the templates with what each is, the default one first."""
    names = sorted((path.stem for path in _FOLDER.glob("*.toml")), key=lambda name: (name != DEFAULT, name))
    return {name: _summary(_text(name)) for name in names}


def _summary(text: str) -> str:
    return next(line[2:] for line in text.splitlines() if line.startswith("# "))


def _text(name: str) -> str:
    return (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def render(name: str, identity: str | None = None) -> str:
    """Return the text of a new cluster file; `identity` is random unless given. Raises UsageError."""
    if name not in templates():
        cure = did_you_mean(name, templates(), f"there are {listed(templates())}")
        raise UsageError(f'there is no template "{name}"', hint=cure)
    return _text(name).replace(_PLACEHOLDER, identity or os.urandom(4).hex())


def write(path: Path, text: str) -> None:
    """Write a new file. Raises UsageError where one is already: a cluster file is somebody's work."""
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        what = "is a folder" if path.is_dir() else "exists already; it is left as it is"
        raise UsageError(f"{path} {what}", hint="`-o FILE` writes another file, `-o -` prints") from None
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no folder {path.parent}", hint=f"mkdir -p {path.parent}") from None
    except OSError as error:
        message = f"{path} cannot be written: {os.strerror(error.errno or 0)}"
        raise PibrambleError(message, exit_code=Exit.FAILED) from None
