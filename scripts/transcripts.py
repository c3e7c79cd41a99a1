"""The transcripts in README and docs: found, run, and written anew.

`python scripts/transcripts.py PAGE...` runs a page's commands and puts what they print under them. The tests use the
same functions to hold what stands there against what is printed (tests/test_docs.py).

A fenced block marked `console` is a transcript: lines that begin with `$ ` are commands, run in order in one folder a
page, the others what they print; a line `...` stands for lines left out, and is kept. An HTML comment right above a
block says more about it:

    <!-- lab -->               it brings a lab up, so it runs where the lab tests run
    <!-- lab, exit 2 -->       and its last command ends with this exit code (or `exit 2` alone)
    <!-- demo -->              the output of `make demo`
    <!-- switch -->            it talks to a switch, sw1: a simulated one, in a cluster file that is laid there for it
    <!-- bases -->             it needs base systems: it runs where PIBRAMBLE_CACHE names a folder that has them
    <!-- not run: REASON -->   for what a test cannot do, like cloning this repository
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

REPO = Path(__file__).resolve().parents[1]
_FENCE = re.compile(r"^(?:<!-- (?P<mark>[^>]*?) -->\n\n?)?```console\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"(?P<what>lab|switch)?(?:, )?(?:exit (?P<code>\d+))?|demo|bases|not run: .+")
_TIMEOUT_S = 100
_SWITCH = """\
[head]
board = "pi-1b"

[[workers]]
name = "zero1"

[[consoles]]
name = "sw1"
port = "{port}"
profile = "cisco-ios"
"""
_NETRC = "machine sw1 login ada password lovelace account charles\n"
LEFT_OUT = "..."


@attrs.frozen
class Command:
    """One command of a transcript and the lines shown under it."""

    line: int  # in the page, from 1
    text: str
    shown: tuple[str, ...] = ()
    exit_code: int = 0  # that it is expected to end with


@attrs.frozen
class Block:
    """One transcript: where its body stands in the page's text, and its commands."""

    mark: str
    start: int
    end: int
    commands: tuple[Command, ...]

    @property
    def runs(self) -> bool:
        """Say whether its commands can be run."""
        if self.mark == "bases":
            return "PIBRAMBLE_CACHE" in os.environ
        return not self.mark.startswith("not run")

    @property
    def needs_lab(self) -> bool:
        """Say whether it brings namespaces up."""
        return self.mark.startswith(("lab", "demo"))


def pages() -> list[Path]:
    """Return every page that people read."""
    return [REPO / "README.md", *sorted((REPO / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the page's transcripts. Raises ValueError for a mark that means nothing, or output before a command."""
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        first_line = text.count("\n", 0, match.start("body")) + 1
        mark = match["mark"] or ""
        meaning = _MARK.fullmatch(mark)
        if not meaning:
            message = f"{page}:{first_line}: nobody knows what `{mark}` means"
            raise ValueError(message)
        commands: list[Command] = []
        for number, line in enumerate(match["body"].splitlines(), first_line):
            # The demo is one command, and shows the ones that it runs.
            if line.startswith("$ ") and not (commands and mark == "demo"):
                commands.append(Command(number, line[2:]))
            elif commands:
                commands[-1] = attrs.evolve(commands[-1], shown=(*commands[-1].shown, line))
            else:
                message = f"{page}:{number}: output before the first command"
                raise ValueError(message)
        if meaning["code"]:
            commands[-1] = attrs.evolve(commands[-1], exit_code=int(meaning["code"]))
        yield Block(mark, match.start("body"), match.end("body"), tuple(commands))


class Stage:
    """A folder with the examples in it, where a page's commands run with a state folder of their own."""

    def __init__(self, folder: Path) -> None:
        """Set the folder up."""
        self._folder = folder
        shutil.copytree(REPO / "examples", folder / "examples", dirs_exist_ok=True)
        self._environment = {key: value for key, value in os.environ.items() if key != "PIBRAMBLE_FILE"} | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PIBRAMBLE_STATE": str(folder / "state"),
            "COLUMNS": "120",
        }
        self._switch: subprocess.Popen[bytes] | None = None

    def run(self, block: Block, command: Command) -> tuple[int, str]:
        """Run a command of the block; return its exit code and all that it printed."""
        if block.mark.startswith("switch") and self._switch is None:
            self._put_switch()
        demo = [sys.executable, str(REPO / "scripts" / "demo.py")]
        done = subprocess.run(
            demo if block.mark == "demo" else ["bash", "-c", command.text],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
        return done.returncode, done.stdout

    def _put_switch(self) -> None:
        """Start a simulated switch, and lay the files that lead to it: a cluster file, and ~/.netrc."""
        link, home = self._folder / "switch", self._folder / "home"
        argv = [sys.executable, "-m", "tests.console.automation.ios", str(link)]
        self._switch = subprocess.Popen(argv, cwd=REPO, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + _TIMEOUT_S
        while not link.is_symlink() and time.monotonic() < deadline:
            time.sleep(0.05)
        (self._folder / "cluster.toml").write_text(_SWITCH.format(port=link.readlink()), encoding="utf-8")
        home.mkdir()
        (home / ".netrc").write_text(_NETRC, encoding="utf-8")
        (home / ".netrc").chmod(0o600)
        self._environment["HOME"] = str(home)

    def clear(self) -> None:
        """Take down what a page may have left up."""
        if self._switch is not None:
            self._switch.terminate()
            self._switch.wait()
        argv = [str(Path(sys.executable).with_name("pibramble")), "down"]
        subprocess.run(argv, cwd=self._folder, env=self._environment, capture_output=True, check=False)


def rewrite(page: Path) -> None:
    """Run the page's commands and write what they print under them. Raises ValueError where one does not do as told."""
    text = page.read_text(encoding="utf-8")
    pieces, done = [], 0
    with tempfile.TemporaryDirectory(prefix="pibramble-docs-") as folder:
        stage = Stage(Path(folder))
        try:
            for block in blocks(page):
                if block.runs:
                    pieces += [text[done : block.start], *(_replayed(page, stage, block, c) for c in block.commands)]
                    done = block.end
        finally:
            stage.clear()
    page.write_text("".join([*pieces, text[done:]]), encoding="utf-8")


def _replayed(page: Path, stage: Stage, block: Block, command: Command) -> str:
    code, printed = stage.run(block, command)
    if code != command.exit_code:
        message = f"{page}:{command.line}: exit code {code} from: {command.text}\n{printed}"
        raise ValueError(message)
    # Whoever shortened the output by hand meant it; such a block is theirs to keep up to date.
    lines = command.shown if LEFT_OUT in command.shown else [line.rstrip() for line in printed.splitlines()]
    return "".join(f"{line}\n" for line in [f"$ {command.text}", *lines])


def main() -> int:
    """Rewrite the pages named on the command line, or all."""
    for page in [Path(name).resolve() for name in sys.argv[1:]] or pages():
        try:
            rewrite(page)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
