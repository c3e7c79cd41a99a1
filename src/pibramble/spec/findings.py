"""What is wrong, or doubtful, about a cluster file, and how a person gets to read it."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum

import attrs

from pibramble.errors import Exit, Location, PibrambleError
from pibramble.spec.locate import Path

MOST_SHOWN = 100  # findings; who has made more mistakes will make the file anew
LONGEST_MESSAGE = 400  # characters; a message repeats what stands in the file, whatever that is
WIDEST_LINE = 160  # columns of an offending line that are shown; a longer one is cut around the place


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  # nothing is done with such a file
    WARNING = "warning"  # said by `check`, stops nothing


@attrs.frozen
class Finding:
    """One thing that is wrong with a cluster, before anybody knows on which line."""

    rule: str  # the rule's name, to look up and to weigh: unknown-board
    path: Path  # the key or value that is wrong; where a key is missing, its table
    message: str  # what is wrong, one sentence without a full stop
    cure: str = ""  # what would be right; may have several lines
    severity: Severity = Severity.ERROR
    on_key: bool = False  # the key is wrong, not its value
    rests_on: tuple[Path, ...] = ()  # other keys the judgement needs: when one is broken, nothing can be said


@attrs.frozen
class Placed:
    """A finding in its file: where it stands, and the line it stands on."""

    rule: str
    where: Location
    width: int  # of the offending stretch, in characters, on its first line; 0: nothing to underline
    line: str
    message: str
    cure: str
    severity: Severity

    def __str__(self) -> str:
        """Return the report of this one finding: place and message, the line, a caret line, the cure."""
        label = "" if self.severity is Severity.ERROR else "warning: "
        parts = [f"{self.where}: {label}{_cut(_printable(self.message))} [{self.rule}]"]
        if self.line.strip():
            parts += _underlined(self.line, self.where.column, self.width)
        parts += [f"  {_cut(_printable(line))}".rstrip() for line in self.cure.split("\n") if line]
        return "\n".join(parts)


class ClusterFileError(PibrambleError):
    """The cluster file cannot be used; the text holds everything that is wrong with it."""

    exit_code = Exit.WRONG
    standalone = True  # its lines begin with places, which editors and terminals make clickable

    def __init__(self, findings: Sequence[Placed]) -> None:
        """Take all findings, warnings too, at least one error among them."""
        self.findings = tuple(findings)
        first = next(finding for finding in findings if finding.severity is Severity.ERROR)
        super().__init__(first.message, hint=first.cure, where=first.where)

    def __str__(self) -> str:
        """Return the whole report, its count last: that is where a person looks first."""
        return report(self.findings)


def report(findings: Iterable[Placed]) -> str:
    """Return all findings as text, in the order of the file; of several, with their count at the end."""
    ordered = sorted(findings, key=lambda finding: (finding.where.line, finding.where.column))
    more = [f"... and {len(ordered) - MOST_SHOWN:,} more"] if len(ordered) > MOST_SHOWN else []
    total = [count(ordered)] if len(ordered) > 1 else []
    return "\n\n".join([*map(str, ordered[:MOST_SHOWN]), *more, *total])


def count(findings: Iterable[Placed]) -> str:
    """Return "2 errors, 1 warning"."""
    severities = [finding.severity for finding in findings]
    counts = [(severities.count(severity), severity) for severity in Severity]
    said = [f"{number:,} {severity}{'s' if number != 1 else ''}" for number, severity in counts if number]
    return ", ".join(said) or "no errors"


def nearest(word: str, known: Collection[str]) -> str | None:
    """Return what a person most likely meant by `word`, or None."""
    import difflib  # only for a mistake

    folded = {name.lower().replace("_", "-"): name for name in known}
    found = difflib.get_close_matches(word.lower().replace("_", "-"), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(word: str, known: Collection[str], otherwise: str) -> str:
    """Return `did you mean "..."?`, or what else helps when nothing is near."""
    near = nearest(word, known)
    return f'did you mean "{near}"?' if near else otherwise


def listed(words: Iterable[str], last: str = "and") -> str:
    """Return "a, b and c"; "none" of nothing."""
    *most, end = [*words] or ["none"]
    return f"{', '.join(most)} {last} {end}" if most else end


def _underlined(line: str, column: int, width: int) -> list[str]:
    """Return the offending line and, below it, carets under the stretch that is wrong."""
    begin = 0
    if len(line) > WIDEST_LINE:
        begin = max(0, min(column - 1 - WIDEST_LINE // 4, len(line) - WIDEST_LINE))
    shown = _printable(line[begin : begin + WIDEST_LINE])
    if not column or not width:
        return [f"    {shown}"]
    start = column - 1 - begin
    before = "".join("\t" if character == "\t" else " " * _cells(character) for character in shown[:start])
    below = "^" * max(1, sum(map(_cells, shown[start : start + width])))
    return [f"    {shown}", f"    {before}{below}"]


def _cells(character: str) -> int:
    """Return how many columns of a terminal a character takes."""
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 3]}..."


def _printable(line: str) -> str:
    """Keep control characters of a foreign file from reaching the terminal."""
    return "".join(
        character if character == "\t" or character.isprintable() else "\N{MIDDLE DOT}" for character in line
    )
