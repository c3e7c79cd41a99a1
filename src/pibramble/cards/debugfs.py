"""debugfs(8) as a tool for programs: commands on standard input, and every complaint an error.

debugfs ends with exit code 0 whatever happens. What it has to complain about stands on standard error, where otherwise
there is one line with its version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import attrs

from pibramble import proc
from pibramble.errors import PibrambleError

_PATIENCE_S = 300
_BANNER = re.compile(r"^debugfs \d[^\n]*\n?", re.MULTILINE)
_NOT_FOUND = re.compile(r"^.*: File not found by ext2_lookup *$", re.MULTILINE)
_ECHO = "debugfs: "
_STAT = re.compile(
    r"Type: (?P<kind>[\w ]+?) +Mode: +(?P<mode>[0-7]+).*?User: +(?P<uid>\d+) +Group: +(?P<gid>\d+)"
    r".*?Size: (?P<size>\d+)",
    re.DOTALL,
)
_FAST_LINK = re.compile(r'^Fast link dest: "(.*)"$', re.MULTILINE)
_ATTRIBUTE = re.compile(r"^  ([\w.]+) \(\d+\)", re.MULTILINE)
_FULL = ("Could not allocate block", "Could not allocate inode", "No space left")


class Ext4Error(PibrambleError):
    """An ext4 file system that cannot be read, or cannot take what is to be put in."""


@attrs.frozen
class Found:
    """What stands at a path."""

    kind: str  # regular, directory, symlink ...
    mode: int  # the permission bits
    uid: int
    gid: int
    size: int
    attributes: tuple[str, ...] = ()  # the names of the extended ones
    target: str | None = None  # of a symbolic link that is short enough to lie in its inode


def debugfs(device: str, commands: Sequence[str], *, undo_file: str = "") -> str:
    """Run commands on a file system and return what they printed. With `undo_file` it may be changed.

    Raises Ext4Error for whatever debugfs complains about.
    """
    output, complaints = _run(device, commands, ["-w", "-z", undo_file] if undo_file else [])
    if complaints:
        raise _explained(complaints)
    return output


def probe(device: str, paths: Sequence[str]) -> dict[str, Found]:
    """Return what stands at these paths; what is not there is left out. Raises Ext4Error."""
    commands = [command for path in paths for command in (f"stat {quoted(path)}", f"ea_list {quoted(path)}")]
    output, complaints = _run(device, commands, [])
    if rest := _NOT_FOUND.sub("", complaints).strip():
        raise _explained(rest)
    answers = dict(_answers(output))
    found = {}
    for path in paths:
        facts = _STAT.search(answers.get(f"stat {quoted(path)}", ""))
        if facts is None:
            continue
        link = _FAST_LINK.search(answers[f"stat {quoted(path)}"])
        names = tuple(_ATTRIBUTE.findall(answers.get(f"ea_list {quoted(path)}", "")))
        found[path] = Found(
            kind=facts["kind"],
            mode=int(facts["mode"], 8),
            uid=int(facts["uid"]),
            gid=int(facts["gid"]),
            size=int(facts["size"]),
            attributes=names,
            target=link[1] if link else None,
        )
    return found


def quoted(word: str) -> str:
    """Return a word as debugfs' command line wants it."""
    if "\n" in word:
        raise Ext4Error(f"a path with a line break cannot be put onto a card: {word!r}")
    return '"' + word.replace('"', '""') + '"'


def _run(device: str, commands: Sequence[str], options: Sequence[str]) -> tuple[str, str]:
    argv = ["debugfs", *options, "-f", "/dev/stdin", device]
    done = proc.run(argv, stdin="".join(f"{line}\n" for line in commands), timeout_s=_PATIENCE_S, check=False)
    return done.stdout, _BANNER.sub("", done.stderr).strip()


def _answers(output: str) -> Iterator[tuple[str, str]]:
    """Yield each command with what it printed: debugfs repeats the commands that it reads from a file."""
    for part in f"\n{output}".split(f"\n{_ECHO}")[1:]:
        command, _, answer = part.partition("\n")
        yield command.rstrip(), answer


def _explained(complaints: str) -> Ext4Error:
    if any(phrase in complaints for phrase in _FULL):
        return Ext4Error("the root file system is full", hint="use a base with a larger one")
    if "unsupported" in complaints:
        last = complaints.splitlines()[0]
        return Ext4Error("the root file system has a feature that debugfs here cannot write", hint=last)
    shown = "\n".join(complaints.splitlines()[:8])
    return Ext4Error("debugfs could not do all it was told", hint=shown)
