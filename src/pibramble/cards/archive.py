"""What the mirror has today: asked with this machine's apt, in a folder of its own, before anything is built.

A package that does not exist, a mirror that does not answer or that is signed by keys we do not have are told after
seconds, not after minutes; and the list of packages is what progress is counted by.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import attrs

from pibramble import proc
from pibramble.cards.mirror import Source
from pibramble.errors import PibrambleError

_UPDATE_TIMEOUT_S = 600
_INSTALLED = re.compile(r"^Inst (?P<name>\S+) \((?P<version>\S+) ", re.MULTILINE)
_SIZES = re.compile(r"(?P<number>[\d.,]+) (?P<unit>[kMG]?)B of additional disk space")
_NAMED = 4  # so many packages are told by name
_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


class ArchiveError(PibrambleError):
    """A mirror that does not have what a base needs."""


@attrs.frozen
class Archive:
    """What a base will be made from."""

    sources: tuple[Source, ...]  # those that can be used
    packages: Mapping[str, str]  # everything that will be installed, and its version
    installed_bytes: int  # what it takes when installed
    time_s: int  # when the mirror's newest index was made, seconds since 1970
    remarks: tuple[str, ...] = ()  # what people should know, such as updates that are missing


def ask(
    sources: Sequence[Source], architecture: str, wanted: Sequence[str], folder: Path, *, lacking: Sequence[str] = ()
) -> Archive:
    """Ask the mirror. `folder` is scratch of the caller's. Raises ArchiveError.

    An optional source that cannot be read is left out, with a remark. `lacking` are packages that the release's own
    index names and the mirror has not got: it is then read by its other name.
    """
    usable = list(sources)
    remarks: list[str] = []
    apt = _Apt(folder, architecture)
    apt.prepare()
    if lacking:
        usable, remarks = apt.by_other_names(sources, lacking)
    if apt.update(usable) is not None:  # find out which one it is
        sources, usable = usable, []
        for source in sources:
            problem = apt.update([*usable, source])
            if problem is None:
                usable.append(source)
            elif (twin := apt.twin(source, usable)) is not None:
                usable.append(twin)
                remarks.append(
                    f"made from the suite {twin.suite}: {source.suite} of this mirror contradicts itself today"
                )
            elif source.optional:
                remarks.append(f"made without {source.suite}: {problem}")
            else:
                raise _unusable(source, problem)
        if (problem := apt.update(usable)) is not None:
            raise _unusable(usable[0], problem)
    packages, installed_bytes = apt.plan(wanted, usable[0])
    return Archive(tuple(usable), packages, installed_bytes, apt.newest_index_s(), tuple(remarks))


@attrs.frozen
class _Apt:
    """Apt with nothing of this machine's in it: neither its configuration nor its packages."""

    folder: Path
    architecture: str

    def prepare(self) -> None:
        for name in ("etc", "state/lists/partial", "cache/archives/partial", "dpkg"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "dpkg/status").touch()
        settings = {
            "Dir::Etc": self.folder / "etc",
            "Dir::State": self.folder / "state",
            "Dir::State::status": self.folder / "dpkg/status",
            "Dir::Cache": self.folder / "cache",
            "APT::Architecture": self.architecture,
            "APT::Install-Recommends": "false",
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "APT::Update::Error-Mode": "any",
            "APT::Sandbox::User": "",  # root's apt would go on as a user who may not read our folder
        }
        lines = [f'{name} "{value}";\n' for name, value in settings.items()]
        lines += [f'APT::Architectures {{ "{self.architecture}"; }};\n', *(f"{line}\n" for line in proxies())]
        (self.folder / "apt.conf").write_text("".join(lines), encoding="utf-8")

    def update(self, sources: Sequence[Source]) -> str | None:
        """Read the indices of these sources; return what went wrong, in one line."""
        text = "\n".join(source.deb822() for source in sources)
        (self.folder / "etc/sources.list.d").mkdir(exist_ok=True)
        (self.folder / "etc/sources.list.d/all.sources").write_text(text, encoding="utf-8")
        done = self._run("apt-get", "update")
        if done.returncode == 0:
            return None
        return complaint(done.stderr) or f"apt-get ended with {done.returncode}"

    def twin(self, source: Source, others: Sequence[Source]) -> Source | None:
        """Return the same release by the mirror's other name for it, if that can be read.

        A cache keeps the folders of both names apart: one may be whole while the other is half way between two days.
        """
        if not source.alias:
            return None
        twin = attrs.evolve(source, suite=source.alias, alias="")
        if self.update([*others, twin]) is not None or source.suite not in self._codenames(source.alias):
            return None
        return twin

    def by_other_names(self, sources: Sequence[Source], lacking: Sequence[str]) -> tuple[list[Source], list[str]]:
        """Return the sources, a release that has another name by that one, with a remark. Raises ArchiveError."""
        found, remarks = [], []
        for source in sources:
            twin = self.twin(source, [])
            found.append(twin or source)
            if twin:
                remarks.append(
                    f"made from the suite {twin.suite}: {source.suite} of this mirror names packages that it has not "
                    f"got today, such as {lacking[0]}"
                )
        if not remarks:
            raise _incomplete(sources[0], self.architecture, lacking)
        return found, remarks

    def _codenames(self, suite: str) -> set[str]:
        """Return which releases the indices of a suite say they are."""
        texts = (path.read_text(encoding="utf-8", errors="replace") for path in self._indices(f"_dists_{suite}_"))
        return {match[1] for text in texts if (match := re.search(r"^Codename: (\S+)$", text, re.MULTILINE))}

    def _indices(self, part: str = "") -> Iterator[Path]:
        return (self.folder / "state/lists").glob(f"*{part}*Release" if part else "*Release")

    def plan(self, wanted: Sequence[str], source: Source) -> tuple[dict[str, str], int]:
        """Return what would be installed for `wanted`, with versions, and how much room that takes."""
        argv = ["apt-get", "--assume-yes", "install", "?essential", "apt", *wanted]
        done = self._run(*argv, "--simulate")
        if done.returncode != 0:
            said = [line[3:] for line in done.stderr.splitlines() if line.startswith("E: ")]
            message = f"{source.uri} cannot provide the packages of this base ({source.suite}, {self.architecture})"
            raise ArchiveError(message, hint="\n".join(said or done.stdout.splitlines()[-6:]))
        packages = {match["name"]: match["version"] for match in _INSTALLED.finditer(done.stdout)}
        match = _SIZES.search(self._run(*argv, "--print-uris").stdout)
        room = float(match["number"].replace(",", "")) * _FACTORS[match["unit"]] if match else 0
        return packages, int(room)

    def newest_index_s(self) -> int:
        """Return when the newest of the indices was made."""
        found = []
        for release in self._indices():
            dated = re.search(r"^Date: (.*)$", release.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
            found += [_seconds(dated[1])] if dated else []
        return max(found, default=0)

    def _run(self, *argv: str) -> proc.Completed:
        env = {**os.environ, "APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C.UTF-8"}
        return proc.run(argv, check=False, timeout_s=_UPDATE_TIMEOUT_S, env=env)


def _seconds(date: str) -> int:
    moment: datetime = parsedate_to_datetime(date)
    return int(moment.timestamp())


def proxies() -> list[str]:
    """Return this machine's own way through a proxy, which apt would read from the configuration we leave out."""
    said = proc.run(["apt-config", "dump"], check=False).stdout
    return [line for line in said.splitlines() if re.match(r"Acquire::https?::Proxy", line)]


def complaint(stderr: str) -> str:
    """Return what apt-get complains of, in one line; empty: nothing.

    Why a repository counts as not signed stands in a warning of its own: an old key, or a machine that cannot look.
    """
    lines = stderr.splitlines()
    errors = [line.removeprefix("E: ") for line in lines if line.startswith("E: ")]
    reasons = [line.removeprefix("W: ") for line in lines if line.startswith("W: GPG error: ")]
    if errors and "not signed" in errors[0] and reasons:
        return f"{errors[0].rstrip('.')}: {reasons[0]}"
    return errors[0] if errors else ""


def _incomplete(source: Source, architecture: str, lacking: Sequence[str]) -> ArchiveError:
    more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
    return ArchiveError(
        f"{source.uri} has not got packages that its own index of {source.suite} {architecture} names: "
        f"{', '.join(lacking[:_NAMED])}{more}",
        hint="Mirrors take hours, at times days, over a new release of Debian, the rarer processors last.\n"
        "Try again later, or give the address of another one: pibramble card build --mirror ADDRESS",
    )


def _unusable(source: Source, problem: str) -> ArchiveError:
    hint = problem
    if "NO_PUBKEY" in problem or "Missing key" in problem:
        hint += (
            f"\nThe keys in {source.keyring} are older than {source.suite}: sudo apt-get install debian-archive-keyring"
        )
    return ArchiveError(f"{source.uri} {source.suite} cannot be used", hint=hint)
