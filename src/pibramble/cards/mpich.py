"""MPICH from a tarball that the user has: compiled on this machine for the boards, never on one of them.

What comes of it is kept in the cache folder as a tar archive of what belongs on a card, by the tarball's content and by
how it is compiled (mpich.toml). The tarball's own `configure` runs here, as whoever builds.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
import time
import tomllib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import attrs

from pibramble import paths, proc
from pibramble.cards import child, shelf
from pibramble.catalog.model import Architecture
from pibramble.errors import Location, MissingError, PibrambleError
from pibramble.progress import Progress, Step

_FORMAT = 2  # raise it when the same source would be compiled in another way
_KEY_DIGITS = 12
_UNPACK_TIMEOUT_S = 600
_TAIL_LINES = 12
# In a mount namespace the scratch folder has this name, on every machine: MPICH's programs know where they were made.
_HERE = "/mnt"
_ENTER = f'mount --bind "$1" {_HERE} && cd {_HERE}/work && shift && exec "$@"'
_FOLDERS = ("bin", "include", "lib")  # of what is installed; manuals stay out
_LEFT_OUT = ("*.la", "*.a")
_IS_MPICH = re.compile(r"^PACKAGE_TARNAME='mpich'$", re.MULTILINE)
_VERSION = re.compile(r"^PACKAGE_VERSION='([^']+)'$", re.MULTILINE)
_NEEDS_GLIBC = re.compile(r"\bGLIBC_(\d+)\.(\d+)")
_CHECKING = re.compile(r"^(?:checking|configure: =+ (?P<part>\w+ \S+)|config\.status: creating) (?P<what>.{0,40})")
_COMPILING = re.compile(r"^ +(?P<verb>CC|CXX|CCLD|CXXLD|GEN) +(?P<what>\S+)")


class MpichError(PibrambleError):
    """A tarball that MPICH cannot be made from."""


@attrs.frozen
class Source:
    """A tarball of the user's."""

    path: Path
    digest: str  # of its content


@attrs.frozen
class Mpich:
    """MPICH for one architecture, in the cache."""

    key: str
    archive: Path  # what belongs on a card, root's
    version: str
    glibc: tuple[int, int]  # the oldest C library that it runs with
    seconds: float  # that its making took


@attrs.frozen
class _Way:
    """How it is compiled for one architecture: what mpich.toml says."""

    prefix: str
    options: tuple[str, ...]
    host: str  # GNU's name of the architecture, and how its compiler begins
    flags: str
    large: str

    @property
    def programs(self) -> dict[str, str]:
        """Return the programs that are needed, and Debian's package of each."""
        return {
            f"{self.host}-gcc": f"gcc-{self.host}",
            f"{self.host}-g++": f"g++-{self.host}",
            "make": "make",
            "xz": "xz-utils",
        }


def folder() -> Path:
    """Return where it is kept."""
    return paths.cache_folder() / "mpich"


def read(path: Path, where: Location) -> Source:
    """Return a tarball as a source. `where` is the place in the cluster file that names it. Raises MpichError."""
    try:
        with path.open("rb") as file:
            return Source(path, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        hint = "`[mpi] source` is a path from the cluster file's folder; without it, cards have Debian's MPICH"
        raise MpichError(f"{path} cannot be read: {error.strerror}", hint=hint, where=where) from None


def key(source: Source, architecture: Architecture) -> str:
    """Return what tells this MPICH from another: the same tarball, compiled in the same way, has the same."""
    facts = json.dumps([_FORMAT, source.digest, attrs.asdict(_way(architecture))], sort_keys=True)
    return f"mpich-{architecture.debian}-{hashlib.sha256(facts.encode()).hexdigest()[:_KEY_DIGITS]}"


def ensure(source: Source, architecture: Architecture, progress: Progress) -> Mpich:
    """Return MPICH for an architecture, compiled if need be: some minutes. Raises MissingError, MpichError."""
    name = key(source, architecture)

    def build(scratch: Path) -> None:
        _check_programs(architecture)
        _build(source, architecture, scratch, progress)

    return shelf.make(folder(), name, f"MPICH for {architecture.debian}", lambda: _load(name), build, progress)


def check_fits(mpich: Mpich, libc: str) -> None:
    """Raise MpichError where this machine's C library is newer than the base's, whose version `libc` is."""
    number = re.search(r"(\d+)\.(\d+)", libc)
    if number and (int(number[1]), int(number[2])) < mpich.glibc:
        needs = ".".join(map(str, mpich.glibc))
        raise MpichError(
            f"MPICH was compiled here for glibc {needs}, and the base has {libc}",
            hint="this machine's cross compilers are newer than the cards' system: build on an older one",
        )


def _load(name: str) -> Mpich | None:
    home = folder() / name
    try:
        facts = json.loads((home / "made.json").read_text(encoding="utf-8"))
        made = Mpich(name, home / "root.tar", facts["version"], tuple(facts["glibc"]), facts["seconds"])
        whole = facts["digest"] == _digest(made.archive)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return made if whole else None


def _check_programs(architecture: Architecture) -> None:
    needed = _way(architecture).programs
    missing = {name: package for name, package in needed.items() if not shutil.which(name, path=proc.system_path())}
    if missing:
        raise MissingError(
            f"MPICH for {architecture.debian} is compiled on this machine, which has no {', '.join(missing)}",
            hint=f"sudo apt-get install {' '.join(sorted(missing.values()))}\n`pibramble doctor mpich` looks for all",
        )


def _build(source: Source, architecture: Architecture, scratch: Path, progress: Progress) -> None:
    began = time.monotonic()
    way = _way(architecture)
    tree, work, result = scratch / "source", scratch / "work", scratch / "installed"
    with progress.step(f"Unpacking {source.path.name}"):
        version, time_s = _unpack(source, tree)
    work.mkdir()
    maker = _Maker(scratch, scratch / shelf.LOG, f"MPICH {version} could not be compiled for {architecture.debian}")
    with progress.step(f"Configuring MPICH {version} for {architecture.debian}") as step:
        maker.run(["../source/configure", *_arguments(way)], _CHECKING, step)
    with progress.step(f"Compiling MPICH {version} for {architecture.debian}") as step:
        maker.run(["make", "V=0", f"--jobs={os.cpu_count() or 1}"], _COMPILING, step)
        maker.run(["make", "V=0", "install-strip", f"DESTDIR={_HERE}/installed"], _COMPILING, step)
    home = result / way.prefix.lstrip("/")
    _compile_with_the_boards_own(home, way)
    archive = scratch / "root.tar"
    _pack(home, way.prefix, archive, time_s)
    facts = {
        "version": version,
        "glibc": _needed_glibc(home, way),
        "seconds": round(time.monotonic() - began, 1),
        "source": source.digest,
        "digest": _digest(archive),
    }
    (scratch / "made.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    for left in (tree, work, result):
        shutil.rmtree(left)


def _unpack(source: Source, tree: Path) -> tuple[str, int]:
    """Unpack the tarball into `tree`; return MPICH's version and when it was packed, seconds since 1970."""
    tree.mkdir()
    argv = ["tar", "--extract", "--no-same-owner", "--strip-components=1", "--directory", str(tree)]
    done = proc.run([*argv, "--file", str(source.path)], check=False, timeout_s=_UNPACK_TIMEOUT_S)
    if done.returncode != 0:
        said = "\n".join(done.stderr.splitlines()[:2])
        raise MpichError(f"{source.path} is no tar archive, or not all of one", hint=f"{said}\nis it all there?")
    configure = tree / "configure"
    text = configure.read_text(encoding="utf-8", errors="replace") if configure.is_file() else ""
    version = _VERSION.search(text)
    if not _IS_MPICH.search(text) or version is None:
        found = ", ".join(sorted(path.name for path in tree.iterdir())[:5]) or "nothing"
        snapshot = (tree / "configure.ac").exists() and not text
        cure = "a release is meant, as MPICH publishes it: mpich-4.2.3.tar.gz"
        what = "has no `configure`: it is no release" if snapshot else f"is not MPICH: it holds {found}"
        raise MpichError(f"{source.path} {what}", hint=cure)
    return version[1], int(configure.stat().st_mtime)


def _arguments(way: _Way) -> list[str]:
    """Return the arguments of MPICH's configure (its README, "Compiler Flags"): for the library, then for mpicc."""
    words = [f"--host={way.host}", f"--prefix={way.prefix}", *way.options]
    # By itself libtool leaves /usr/local/lib out where this machine's loader looks there; the card's has no list of it.
    words.append(f"LDFLAGS=-Wl,-rpath,{way.prefix}/lib")
    own = f"{way.flags} {way.large}".strip()
    words += [f"MPICHLIB_{language}={own}" for language in ("CFLAGS", "CXXFLAGS") if own]
    return [*words, *(f"MPICH_{name}={way.flags}" for name in ("MPICC_CFLAGS", "MPICXX_CXXFLAGS") if way.flags)]


@attrs.frozen
class _Maker:
    """Runs what a build consists of, in one folder, and keeps all that is said."""

    scratch: Path
    log: Path
    failure: str  # what is said when something fails

    def run(self, argv: Sequence[str], interesting: re.Pattern[str], step: Step) -> None:
        """Run one program to its end. Raises MpichError with the last of what it said."""
        # Nothing of this user's: flags and compilers from the environment would end up on every card.
        env = {"PATH": proc.system_path(), "HOME": f"{_HERE}/work", "LC_ALL": "C.UTF-8"}
        namespaces = ["--mount", "--propagation", "private", *(["--user", "--map-root-user"] if os.getuid() else [])]
        enter = ["unshare", *namespaces, "--", "sh", "-c", _ENTER, "sh", str(self.scratch), *argv]
        with (
            self.log.open("a", encoding="utf-8") as record,
            child.running(enter, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as working,
        ):
            lines = io.TextIOWrapper(working.stdout or io.BytesIO(), encoding="utf-8", errors="replace")
            tail = _follow(lines, record, interesting, step)
            code = working.wait()
        if code != 0:
            raise MpichError(self.failure, hint="\n".join([f"`{Path(argv[0]).name}` said last:", *self._last(tail)]))

    def _last(self, tail: Iterable[str]) -> list[str]:
        """Return the last words, and of configure's own log why a try failed."""
        text = self.scratch / "work" / "config.log"
        tried = text.read_text(encoding="utf-8", errors="replace").splitlines() if text.exists() else []
        why = [line for line in tried if re.search(r"(?:error|fatal error|undefined reference|cannot find)", line)]
        return [*tail, *(["and in config.log:", *why[-3:]] if why else [])]


def _follow(lines: Iterable[str], record: io.TextIOBase, interesting: re.Pattern[str], step: Step) -> deque[str]:
    """Write down what is said, show what is at hand, and return the last lines."""
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    for line in lines:
        record.write(line)
        if line.strip():
            tail.append(line.rstrip())
        if match := interesting.match(line):
            step.advance(0, match["what"])
    return tail


def _compile_with_the_boards_own(home: Path, way: _Way) -> None:
    """Let mpicc call the compiler by the name that it has on a board."""
    for script in (home / "bin").iterdir():
        data = script.read_bytes()
        if data.startswith(b"#!") and not script.is_symlink():
            script.write_bytes(re.sub(rf'^(CC|CXX)="{way.host}-(.*)"$'.encode(), rb'\1="\2"', data, flags=re.MULTILINE))


def _pack(home: Path, prefix: str, archive: Path, time_s: int) -> None:
    """Pack what belongs on a card. The same files give the same bytes; the prefix's own folders stay the base's."""

    def roots(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = time_s
        entry.mode = 0o755 if entry.isdir() or entry.mode & stat.S_IXUSR else 0o644
        return entry

    with tarfile.open(archive, "w") as tar:
        for path in sorted(path for name in _FOLDERS for path in (home / name).rglob("*")):
            if not any(path.match(pattern) for pattern in _LEFT_OUT):
                tar.add(path, f".{prefix}/{path.relative_to(home)}", recursive=False, filter=roots)


def _needed_glibc(home: Path, way: _Way) -> tuple[int, int]:
    """Return the newest version of the C library that something in it asks for."""
    files = [path for name in _FOLDERS for path in (home / name).rglob("*") if path.is_file() and not path.is_symlink()]
    elf = [str(path) for path in files if path.open("rb").read(4) == b"\x7fELF"]
    said = proc.run([f"{way.host}-readelf", "--version-info", "--wide", *elf]).stdout
    return max(((int(match[1]), int(match[2])) for match in _NEEDS_GLIBC.finditer(said)), default=(0, 0))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _way(architecture: Architecture) -> _Way:
    facts = _facts()
    return _Way(prefix=facts["prefix"], options=tuple(facts["options"]), **facts[architecture.debian])


@cache
def _facts() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("mpich.toml").read_text(encoding="utf-8"))
