"""Finds, reads and judges the cluster file: a sound cluster, or everything that is wrong with the file at once."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path as FilePath

import attrs

from pibramble.catalog.model import NOTHING_ADDED, Additions
from pibramble.errors import Location
from pibramble.paths import config_folder
from pibramble.spec import judge
from pibramble.spec.findings import ClusterFileError, Finding, Placed, Severity
from pibramble.spec.locate import Lines, Path, Place, locate
from pibramble.spec.model import Cluster
from pibramble.spec.new import HERE
from pibramble.spec.structure import structure, structure_additions

ON_A_HEAD = "/etc/pibramble/cluster.toml"
VARIABLE = "PIBRAMBLE_FILE"

LARGEST_BYTES = 1 << 20  # a thousand nodes, each with a table of its own, take about 100 kB

SMALLEST_FILE = f"the smallest cluster file there is:\n{judge.SMALLEST}\nor let `pibramble new` write one"


@attrs.frozen(slots=False)  # cached_property needs a __dict__
class ClusterFile:
    """A cluster file that can be used."""

    path: FilePath
    text: str
    cluster: Cluster
    findings: tuple[Placed, ...]  # warnings only

    def place(self, findings: Iterable[Finding]) -> tuple[Placed, ...]:
        """Give each finding of a later look at the cluster its place in the file."""
        return _place(findings, self.text, str(self.path))

    @cached_property
    def _places(self) -> Mapping[Path, Place]:
        return locate(self.text)

    @cached_property
    def _lines(self) -> Lines:
        return Lines(self.text)

    def locate(self, *keys: str | int) -> Location:
        """Return where a key's value stands, as `locate("workers", 0, "name")`; where it does not stand, its table."""
        place, _ = _nearest_place(self._places, keys)
        return Location(str(self.path), *(self._lines.place(place.span.start) if place else ()))


def find(option: str | None) -> FilePath:
    """Return which cluster file is meant: `-f`, else $PIBRAMBLE_FILE, else the one here, else a head's own.

    Raises ClusterFileError, which names all places that were looked at.
    """
    if option is not None:
        return FilePath(option)
    if named := os.environ.get(VARIABLE):
        if not _exists(named):
            raise _unreadable(named, f"there is no such file; {VARIABLE} names it", "correct or unset the variable")
        return FilePath(named)
    for place in (HERE, ON_A_HEAD):
        if _exists(place):
            return FilePath(place)
    looked = f"looked for: {VARIABLE} (not set), {FilePath(HERE).absolute()}, {ON_A_HEAD}"
    raise _unreadable(
        HERE, "there is no cluster file", f"{looked}\n`pibramble new` writes one; `-f FILE` names another"
    )


def _exists(path: str | FilePath) -> bool:
    return os.path.exists(path)  # noqa: PTH110 (Path.exists raises where a folder may not be searched)


def load(path: FilePath) -> ClusterFile:
    """Read and judge a cluster file. Raises ClusterFileError with everything that is wrong with it."""
    text = read(path)
    return parse(text, path, own_catalogue(config_folder() / "catalog"))


def own_catalogue(folder: FilePath) -> Additions:
    """Return what the files of a person's own catalogue add, a later name over an earlier one.

    Raises ClusterFileError with everything that is wrong with them.
    """
    added, wrong = Additions(), []
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except OSError:  # there is none, or it is somebody else's
        return added
    for path in paths:
        text, shown = read(path), str(path)
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            wrong.append(_syntax(text, shown, error))
            continue
        more, unfit = structure_additions(data)
        more, lost = _with_known_uarts(more, added, ())
        wrong += _place([*unfit, *lost], text, shown)
        added = more.over(added)
    if wrong:
        raise ClusterFileError(wrong)
    return added


def _with_known_uarts(said: Additions, others: Additions, path: Path) -> tuple[Additions, list[Finding]]:
    if not said.of("boards"):
        return said, []
    from pibramble.spec.additions import with_known_uarts  # only for a file that has some

    return with_known_uarts(said, others, path)


def read(path: FilePath) -> str:
    """Return the text of a cluster file. Raises ClusterFileError when it has none."""
    shown = str(path)
    try:
        # Without O_NONBLOCK, opening a FIFO that nobody writes to would never return.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _unreadable(shown, "there is no such file", "`pibramble new` writes a cluster file") from None
    except PermissionError:
        raise _unreadable(shown, "you may not read this file", f"`ls -l {shown}` shows who may") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unreadable(shown, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            cure = f"did you mean {path / HERE}?" if _exists(path / HERE) else "a cluster file is meant"
            raise _unreadable(shown, "is a folder", cure)
        if not stat.S_ISREG(mode):
            kind = "a pipe" if stat.S_ISFIFO(mode) else "a device"
            raise _unreadable(shown, f"is {kind}, not a file", "write its content to a file first")
        with os.fdopen(handle, "rb", closefd=False) as stream:
            data = stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise _unreadable(shown, f"cannot be read: {error.strerror}") from None
    finally:
        os.close(handle)
    if len(data) > LARGEST_BYTES:
        raise _unreadable(shown, "is larger than 1 MiB: that is no cluster file", "is it the right file?")
    return decode(data, shown)


def decode(data: bytes, path: str) -> str:
    """Return a file's bytes as text. Raises ClusterFileError at the first byte that is no text."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unreadable(path, "is a text in UTF-16", "save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")  # Windows' editors begin a UTF-8 file with a byte order mark
    except UnicodeDecodeError as error:
        at, byte = error.start, data[error.start]
        if data.startswith(b"\xef\xbb\xbf"):
            at += 3  # the codec counts from behind the mark
            byte = data[at]
        raise _no_text(data, path, at, f"the byte 0x{byte:02x} is no UTF-8") from None
    if "\0" in text:
        raise _no_text(data, path, data.index(0), "there is a NUL byte")
    return text


def _no_text(data: bytes, path: str, at: int, what: str) -> ClusterFileError:
    line_start = data.rfind(b"\n", 0, at) + 1
    where = Location(path, data.count(b"\n", 0, at) + 1, len(data[line_start:at].decode("utf-8", "replace")) + 1)
    cure = "save it as UTF-8" if data.count(0) == 0 else "is it the right file?"
    message = f"this is no text: {what} (byte {at + 1:,} of the file)"
    return ClusterFileError([Placed("not-text", where, 0, "", message, cure, Severity.ERROR)])


def parse(text: str, path: FilePath, added: Additions = NOTHING_ADDED) -> ClusterFile:
    """Judge the text of a cluster file, with what a person `added` to the catalogue besides it.

    Raises ClusterFileError with everything that is wrong with it.
    """
    try:
        return _parse(text, path, added)
    except RecursionError:
        message = "has brackets in brackets without end: that is no cluster file"
        raise _unreadable(str(path), message, "is it the right file?") from None


def _parse(text: str, path: FilePath, added: Additions) -> ClusterFile:
    shown = str(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ClusterFileError([_syntax(text, shown, error)]) from None
    if not data:
        what = "is empty" if not text.strip() else "holds nothing but comments"
        raise _unreadable(shown, f"the file {what}", SMALLEST_FILE)
    cluster, unfit = structure(data)
    said, lost = _with_known_uarts(cluster.catalog, added, ("catalog",))
    unfit += lost
    if lost or added.said:
        cluster = attrs.evolve(cluster, catalog=said.over(added))
    findings = [*unfit, *(found for found in judge.judge(cluster) if not _rests_on_sand(found, unfit))]
    placed = _place(findings, text, shown) if findings else ()
    if any(finding.severity is Severity.ERROR for finding in placed):
        raise ClusterFileError(placed)
    return ClusterFile(path, text, cluster, placed)


def _rests_on_sand(finding: Finding, unfit: Iterable[Finding]) -> bool:
    """Tell whether a finding may be wrong because something that it looked at did not fit its type."""
    return any(_touches(broken, path) for broken in unfit for path in (finding.path, *finding.rests_on))


def _touches(broken: Finding, path: Path) -> bool:
    if broken.rule == "unknown-key":  # perhaps the very key whose absence is complained of
        return path == broken.path[:-1]
    if broken.path[0] in {"workers", "nodes"}:
        return path[:2] == broken.path[:2] or path == broken.path[:1]
    return path[: len(broken.path)] == broken.path or broken.path[: len(path)] == path != ()


def _place(findings: Iterable[Finding], text: str, shown: str) -> tuple[Placed, ...]:
    """Give each finding its place; in the order of the file."""
    places, lines = locate(text), Lines(text)
    placed = [_placed(finding, places, lines, shown) for finding in findings]
    return tuple(sorted(placed, key=lambda found: (found.where.line, found.where.column)))


def _placed(finding: Finding, places: Mapping[Path, Place], lines: Lines, shown: str) -> Placed:
    place, exact = _nearest_place(places, finding.path)
    if not exact:  # a default that clashes with what somebody wrote elsewhere: point there
        written = (_nearest_place(places, path) for path in finding.rests_on)
        place, exact = next((found for found in written if found[1]), (place, exact))
    where, width, line = Location(shown), 0, ""
    if place is not None:
        span = place.key if place.key and (finding.on_key or not exact) else place.span
        where = Location(shown, *lines.place(span.start))
        line = lines.content(where.line)
        width = min(span.end - span.start, len(line) - where.column + 1)
    return Placed(finding.rule, where, width, line, finding.message, finding.cure, finding.severity)


def _nearest_place(places: Mapping[Path, Place], path: Path) -> tuple[Place | None, bool]:
    """Return the place of a path, or of the nearest table around it that the file has."""
    for length in range(len(path), 0, -1):
        if place := places.get(path[:length]):
            return place, length == len(path)
    return None, False


def _syntax(text: str, shown: str, error: tomllib.TOMLDecodeError) -> Placed:
    from pibramble.spec import syntax  # only for a file that is no TOML

    found = syntax.explain(text, error)
    where = Location(shown, found.line, found.column)
    line = Lines(text).content(found.line)
    return Placed("syntax", where, found.width, line, found.message, found.cure, Severity.ERROR)


def _unreadable(path: str, message: str, cure: str = "") -> ClusterFileError:
    return ClusterFileError([Placed("file", Location(path), 0, "", message, cure, Severity.ERROR)])
