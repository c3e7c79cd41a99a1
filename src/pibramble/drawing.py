"""Draws harnesses with WireViz and Graphviz, whole or not at all."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pibramble import proc
from pibramble.advise.wiring.model import Harness
from pibramble.advise.wiring.wireviz import document, to_yaml
from pibramble.errors import MissingError, PibrambleError
from pibramble.progress import Progress

_TIMEOUT_S = 120  # a hub with sixteen cables takes a 700 MHz board a while
_FORMATS = "hps"  # HTML with the parts list, PNG, SVG
_ENDINGS = (".html", ".png", ".svg")


def draw(sheets: Iterable[tuple[str, Harness]], folder: Path, progress: Progress) -> tuple[Path, ...]:
    """Write a YAML, SVG, PNG and HTML file for each sheet into a folder; return them. Files of the same names give way.

    Raises MissingError without WireViz or Graphviz, and PibrambleError where the folder cannot be written.
    """
    program = _wireviz()
    todo = list(sheets)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=".wiring-", dir=folder) as scratch,
            progress.step("Drawing", len(todo)) as step,
        ):
            for name, harness in todo:
                source = Path(scratch) / f"{name}.yml"
                source.write_text(to_yaml(document(harness)), encoding="utf-8")
                proc.run([program, "-f", _FORMATS, source.name], timeout_s=_TIMEOUT_S, cwd=Path(scratch))
                step.advance()
            made = [Path(scratch) / f"{name}{ending}" for name, _ in todo for ending in (".yml", *_ENDINGS)]
            return tuple(path.replace(folder / path.name) for path in made)
    except OSError as error:
        message = f"{error.filename or folder} cannot be written: {error.strerror}"
        raise PibrambleError(message) from None


def _wireviz() -> str:
    beside = Path(sys.executable).with_name("wireviz")  # in the environment that we run in
    program = str(beside) if beside.exists() else shutil.which("wireviz")
    if program is None:
        hint = "pip install 'pibramble[wiring]', in a checkout scripts/setup wiring; --yaml needs nothing"
        raise MissingError("drawings are made by WireViz, which is not installed", hint=hint)
    if shutil.which("dot", path=proc.system_path()) is None:
        raise MissingError("drawings are laid out by Graphviz, which is not installed", hint="apt-get install graphviz")
    return program
