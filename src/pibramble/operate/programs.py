"""From what a person names to an executable on every node: compile it, check it, bring it there.

Executables lie in ~/.cache/pibramble/bin/SHA256/NAME on the nodes: the same one is sent once, another one of the same
name never takes its place while it runs.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from pibramble import paths
from pibramble.errors import MissingError, PibrambleError, UsageError
from pibramble.operate.elf import HEADER_BYTES, Abi
from pibramble.operate.execute import execute
from pibramble.operate.facts import Facts, complain_of_failures
from pibramble.operate.nodeset import fold
from pibramble.progress import Progress
from pibramble.targets.base import Connections

COMPILERS = {".c": "mpicc", ".cc": "mpicxx", ".cpp": "mpicxx", ".cxx": "mpicxx", ".f": "mpifort", ".f90": "mpifort"}
_COMPILE_TIMEOUT_S = 600.0  # a 700 MHz board takes a minute for what a PC does in a second
_CACHE = "$HOME/.cache/pibramble/bin"
_KEPT_BUILDS = 64
_NOT_FOUND = 127  # sh(1): there is no such command
_NO_MEMORY = 137  # ours: the kernel has ended something for want of memory while it compiled; sh(1)'s word for SIGKILL
# What gcc says of a part of it that was killed, and of memory that it was refused (gcc/gcc.cc, libiberty/xmalloc.c).
_KILLED = re.compile(r"Killed signal terminated program (\S+)|Killed \(program (\S+)\)|\bKilled\b")
_REFUSED = re.compile(r"out of memory allocating|virtual memory exhausted|memory exhausted")

# Debian's armel passes floating point in integer registers, but a Pi has a VFP unit: without these it would lie idle.
_SOFT_FLOAT_FLAGS = ("-march=armv6", "-mfpu=vfp", "-mfloat-abi=softfp")


class CompilerError(PibrambleError):
    """The source does not compile."""


@attrs.frozen
class Executable:
    """A program that is ready to be brought to nodes of one kind."""

    name: str
    content: bytes

    @property
    def digest(self) -> str:
        """Return its SHA-256."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def path(self) -> str:
        """Return where it lies on a node, as a word for the node's shell."""
        return f'"{_CACHE}/{self.digest}/"{shlex.quote(self.name)}'


@attrs.frozen
class Source:
    """A source file that is compiled on the cluster."""

    name: str  # cpi.c
    content: bytes
    arguments: tuple[str, ...]  # for the compiler

    @property
    def compiler(self) -> str:
        """Return MPICH's compiler for it."""
        return COMPILERS[Path(self.name).suffix.lower()]

    def flags(self, abi: Abi) -> tuple[str, ...]:
        """Return what the compiler is told besides the file."""
        return ("-O2", *(_SOFT_FLOAT_FLAGS if abi.float_abi == "soft" else ()))


@attrs.frozen
class Command:
    """A program that the nodes have themselves, found by their PATH."""

    name: str


def find(name: str, compiler_arguments: Sequence[str] = ()) -> Executable | Source | Command:
    """Make out what the person means by `name`. Raises UsageError for what cannot be run."""
    path = Path(name)
    if "/" not in name and not path.exists():
        if path.suffix.lower() in COMPILERS:
            raise UsageError(f"there is no file {name} here", hint="the program's path starts at the current folder")
        return Command(name)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"there is no file {name}") from None
    except IsADirectoryError:
        raise UsageError(f"{name} is a folder, not a program") from None
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if path.suffix.lower() in COMPILERS:
        return Source(path.name, content, tuple(compiler_arguments))
    if compiler_arguments:
        raise UsageError(f"{name} is no source file: there is nothing to compile")
    if not content.startswith((b"\x7fELF", b"#!")):
        known = ", ".join(COMPILERS)
        raise UsageError(
            f"{name} is neither a program nor a script that starts with #!", hint=f"sources end in one of {known}"
        )
    if not os.access(path, os.X_OK):
        raise UsageError(f"{name} is not executable", hint=f"chmod +x {shlex.quote(name)}")
    return Executable(path.name, content)


def there(program: Executable | Source | Command) -> str:
    """Return a shell condition that is true on a node that has the program already."""
    if isinstance(program, Executable):
        return f"[ -x {program.path} ]"
    if isinstance(program, Command):
        return f"command -v {shlex.quote(program.name)} >/dev/null"
    return "false"  # it has to be compiled first


def word(program: Command) -> str:
    """Return what mpiexec is given for a program that it finds by the nodes' PATH."""
    return shlex.quote(program.name)


def check_fits(executable: Executable, facts: Mapping[str, Facts]) -> None:
    """Raise UsageError if the executable is for another kind of machine than some node is."""
    abi = Abi.read(executable.content[:HEADER_BYTES])
    if abi is None:
        return  # a script: its #! line decides on the node
    if not abi.linked:
        raise UsageError(f"{executable.name} is an object file, not a program", hint="link it: mpicc -o program FILE.o")
    wrong: dict[str, list[str]] = {}
    for node, fact in facts.items():
        if fact.abi and not abi.runs_on(fact.abi):
            wrong.setdefault(str(fact.abi), []).append(node)
    if wrong:
        nodes = "; ".join(f"{fold(names)}: {kind}" for kind, names in wrong.items())
        raise UsageError(
            f"{executable.name} is a program for {abi}; it does not run on {nodes}",
            hint="let the cluster compile it: `pibramble run PROGRAM.c`",
        )


def kept_builds(source: Source, facts: Mapping[str, Facts], folder: Path) -> dict[Abi, Executable]:
    """Return what the source was compiled to earlier, for the kinds of nodes in `facts`; needs no node.

    `folder` is the cluster's state folder.
    """
    kept = {}
    for fact in facts.values():
        if fact.abi and fact.abi not in kept:
            file = _kept_file(source, fact, folder)
            try:
                kept[fact.abi] = Executable(file.name, file.read_bytes())
            except OSError:  # never compiled, or cleaned up
                continue
    return kept


@attrs.frozen
class Workshop:
    """What compiling and bringing takes."""

    connections: Connections
    folder: Path  # the cluster's state folder, which keeps what was compiled
    progress: Progress


def build(
    source: Source, facts: Mapping[str, Facts], builders: Sequence[str], workshop: Workshop
) -> tuple[dict[Abi, Executable], str]:
    """Compile the source once for each kind of node among `builders`, on the first of that kind.

    Returns the compiler's warnings, too. The compiler's words go to the person as they are: raises CompilerError with
    them when it fails.
    """
    built, warnings = {}, []
    for node in builders:
        abi = facts[node].abi
        if abi and abi not in built:
            built[abi], said = _compile(source, abi, node, workshop)
            warnings += [said] if said else []
            _keep(_kept_file(source, facts[node], workshop.folder), built[abi].content)
    return built, "\n".join(warnings)


def _compile(source: Source, abi: Abi, node: str, workshop: Workshop) -> tuple[Executable, str]:
    name = Path(source.name).stem
    here = shlex.quote("./" + source.name)  # a name that starts with a dash is no option
    there = shlex.quote("./" + name)
    script = f"""\
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" && cat >{here} || exit 1
ended_for_want_of_memory() {{ grep '^oom_kill ' /proc/vmstat; }}
before=$(ended_for_want_of_memory)
{shlex.join([source.compiler, *source.flags(abi)])} -o {there} {here} {shlex.join(source.arguments)} -lm >&2 && {{
    cat {there}
    exit
}}
code=$?
[ "$(ended_for_want_of_memory)" = "$before" ] || exit {_NO_MEMORY}
exit $code
"""
    with workshop.progress.step(f"compiling {source.name} on {node}"):
        outcomes = execute(workshop.connections, [node], script, stdin=source.content, timeout_s=_COMPILE_TIMEOUT_S)
    outcome = outcomes[node]
    said = outcome.stderr.decode(errors="replace").rstrip()
    if outcome.exit_code is None:
        complain_of_failures({node: outcome}, f"compiling {source.name}")
    if outcome.exit_code == _NOT_FOUND:
        raise MissingError(f"there is no {source.compiler} on {node}", hint="it comes with MPICH's development files")
    if outcome.exit_code:
        raise _complaint(source, node, outcome.exit_code, said)
    return Executable(name, outcome.stdout), said


def _complaint(source: Source, node: str, exit_code: int, said: str) -> CompilerError:
    """Return the error for a source that does not compile; `said` is what the compiler has said."""
    killed = _KILLED.search(said)
    if _REFUSED.search(said) or (killed and exit_code == _NO_MEMORY):
        part = next((name for name in killed.groups() if name), source.compiler) if killed else ""
        who = f": its kernel has ended {part}" if part else ""
        less = "--cc-args=-O0 needs less; a program that was compiled elsewhere for such a board runs too"
        return CompilerError(f"{node} ran out of memory while it compiled {source.name}{who}", hint=f"{said}\n{less}")
    return CompilerError(f"{source.compiler} on {node} could not compile {source.name}", hint=said)


def _kept_file(source: Source, fact: Facts, folder: Path) -> Path:
    assert fact.abi  # noqa: S101 (for mypy: callers have looked)
    what = repr((source, source.flags(fact.abi), fact.abi, fact.mpich))
    return folder / "build" / hashlib.sha256(what.encode()).hexdigest() / Path(source.name).stem


def _keep(path: Path, content: bytes) -> None:
    """Keep a compiled program for the next time; that this may fail is no reason for a job to fail."""
    try:
        paths.make_private(path.parent)
        paths.write_private(path, content, 0o700)
        builds = sorted(path.parent.parent.iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
        for old in builds[_KEPT_BUILDS:]:
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
    except OSError:
        return


def stage(executable: Executable, nodes: Sequence[str], workshop: Workshop) -> None:
    """Bring the executable to the nodes: whole and checked, or not at all.

    What nobody has used for 30 days goes. Raises PibrambleError that names the nodes where it failed.
    """
    if not nodes:
        return
    script = f"""\
umask 022
folder="{_CACHE}/{executable.digest}"
scratch="$folder/.$$"
trap 'rm -f "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$folder" && cat >"$scratch" || exit 1
if [ "$(sha256sum <"$scratch")" != "{executable.digest}  -" ]; then
    echo "the program arrived damaged" >&2
    exit 1
fi
chmod 755 "$scratch" && mv -f "$scratch" "$folder"/{shlex.quote(executable.name)} || exit 1
find "{_CACHE}" -mindepth 1 -maxdepth 1 -mtime +30 ! -path "$folder" -exec rm -rf {{}} +
"""
    with workshop.progress.step(f"sending {executable.name}", total=len(nodes), unit="nodes"):
        outcomes = execute(workshop.connections, nodes, script, stdin=executable.content)
    complain_of_failures(outcomes, f"sending {executable.name}")


def check_there(program: Command, facts: Mapping[str, Facts]) -> None:
    """Raise UsageError if some node does not have the program."""
    without = [node for node, fact in facts.items() if not fact.there]
    if without:
        here = "here" if re.fullmatch(r"[\w.+-]+", program.name) else "in this folder"
        raise UsageError(
            f"there is no file `{program.name}` {here}, and {fold(without)} has no such program",
            hint="a program's path starts at the current folder: ./program, examples/cpi.c",
        )
