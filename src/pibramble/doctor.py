"""Says which system programs and kernel features are missing for what, and what brings them.

What is needed stands in doctor.toml. Programs are looked for, the kernel is tried: in namespaces that end with the try.
"""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import attrs

from pibramble import proc
from pibramble.errors import PibrambleError, UsageError

_TRY_TIMEOUT_S = 10


class State(StrEnum):
    """What came of looking."""

    THERE = "there"
    MISSING = "missing"
    TOO_OLD = "too old"
    UNKNOWN = "not tried"  # finding out needs a right that we do not have


@attrs.frozen
class Feature:
    """Something that pibramble does, which needs things from the system."""

    name: str
    purpose: str
    optional: bool = False  # counted only when it is asked for by name


@attrs.frozen
class Finding:
    """One thing that was looked for."""

    name: str
    kind: str  # program | distribution | kernel
    features: tuple[str, ...]
    state: State
    detail: str = ""  # where it is, or why it is not usable
    package: str = ""  # the Debian package that brings a program

    @property
    def wanting(self) -> bool:
        """Say whether something has to be done about it."""
        return self.state in {State.MISSING, State.TOO_OLD}


@attrs.frozen
class Report:
    """All findings, and the features they were judged for."""

    features: tuple[Feature, ...]
    findings: tuple[Finding, ...]

    def of(self, feature: Feature) -> tuple[Finding, ...]:
        """Return what was found for one feature."""
        return tuple(finding for finding in self.findings if feature.name in finding.features)

    @property
    def packages(self) -> tuple[str, ...]:
        """Return the Debian packages that bring everything that is missing."""
        return tuple(sorted({finding.package for finding in self.findings if finding.wanting and finding.package}))

    @property
    def healthy(self) -> bool:
        """Say whether nothing is missing."""
        return not any(finding.wanting for finding in self.findings)


def features() -> tuple[Feature, ...]:
    """Return every feature that can be asked for."""
    return tuple(Feature(name, **entry) for name, entry in _needs()["features"].items())


def examine(names: Collection[str] = ()) -> Report:
    """Look for everything that the named features need; without names, for all that are not optional.

    Raises UsageError for a name that is no feature.
    """
    known = {feature.name: feature for feature in features()}
    if unknown := [name for name in names if name not in known]:
        message = f"there is no feature `{unknown[0]}`"
        raise UsageError(message, hint=f"The features are: {', '.join(known)}.")
    chosen = tuple(f for f in known.values() if (f.name in names if names else not f.optional))
    needs = _needs()
    found = [
        *(_program(need) for need in _relevant(needs["program"], chosen)),
        *(_distribution(need) for need in _relevant(needs["distribution"], chosen)),
        *_kernel(_relevant(needs["kernel"], chosen)),
    ]
    return Report(chosen, tuple(found))


@cache
def _needs() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("doctor.toml").read_text(encoding="utf-8"))


def _relevant(needs: Iterable[Mapping[str, Any]], chosen: Iterable[Feature]) -> list[Mapping[str, Any]]:
    names = {feature.name for feature in chosen}
    return [need for need in needs if names.intersection(need["features"])]


def _program(need: Mapping[str, Any]) -> Finding:
    path = shutil.which(need["name"], path=proc.system_path())
    about: dict[str, Any] = {"kind": "program", "features": tuple(need["features"]), "package": need["package"]}
    if path is None:
        return Finding(need["name"], state=State.MISSING, **about)
    if wanted := need.get("version"):
        said = proc.run(wanted["command"], check=False)
        match = re.search(wanted["pattern"], said.stdout + said.stderr)
        if match and _numbers(match[1]) < _numbers(wanted["minimum"]):
            detail = f"{match[1]}; needs {wanted['minimum']}"
            return Finding(need["name"], state=State.TOO_OLD, detail=detail, **about)
    return Finding(need["name"], state=State.THERE, detail=path, **about)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)


def _distribution(need: Mapping[str, Any]) -> Finding:
    from importlib import metadata

    about: dict[str, Any] = {"kind": "distribution", "features": tuple(need["features"])}
    try:
        return Finding(need["name"], state=State.THERE, detail=metadata.version(need["name"]), **about)
    except metadata.PackageNotFoundError:
        return Finding(need["name"], state=State.MISSING, detail=f"pip install 'pibramble[{need['extra']}]'", **about)


def _kernel(needs: Sequence[Mapping[str, Any]]) -> list[Finding]:
    if not needs:
        return []
    way = _way_to_try()
    found = []
    for need in needs:
        state, detail = _try(way, need["try"]) if way else (State.UNKNOWN, "needs root: run this with sudo")
        found.append(Finding(need["name"], "kernel", tuple(need["features"]), state, detail))
    return found


def _way_to_try() -> tuple[str, ...]:
    """Return the words that run a command as root in throw-away namespaces; none where we may not."""
    from pibramble.targets.lab import ground

    here = ("unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork")
    if os.getuid() == 0:
        return here
    # As the lab itself does: without root where the kernel lets us, else with sudo (here only if it asks no password).
    if ground.permitted(rootless=True):
        return (here[0], "--user", "--map-root-user", *here[1:])
    under_sudo = ("sudo", "--non-interactive", *here)
    return under_sudo if _try(under_sudo, "true")[0] is State.THERE else ()


def _try(way: Sequence[str], script: str) -> tuple[State, str]:
    # Without root, overlayfs takes single folders only, and keeps its marks in attributes that a user may write.
    overlay = "lowerdir=/etc,userxattr" if "--user" in way else "lowerdir=/"
    argv = [*way, "env", f"OVERLAY={overlay}", "sh", "-euc", script]
    try:
        done = proc.run(argv, check=False, timeout_s=_TRY_TIMEOUT_S)
    except PibrambleError as error:
        return State.MISSING, error.message
    if done.returncode == 0:
        return State.THERE, ""
    said = done.stderr.strip().splitlines()
    return State.MISSING, said[0] if said else f"exit code {done.returncode}"
