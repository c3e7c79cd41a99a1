"""What a base system is made from: decided by the plan and by packages.toml, recognised by a digest of it all."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import attrs

from pibramble.cards import mpich
from pibramble.cards.mpich import Source
from pibramble.catalog.model import Architecture
from pibramble.errors import UsageError
from pibramble.plan.model import NodePlan, Plan, Role

_FORMAT = 1  # raise it when the same recipe would be built in another way: old bases are then made anew
_KEY_DIGITS = 12


@attrs.frozen
class BaseFile:
    """A file that the base has beyond its packages."""

    path: str  # absolute
    content: str = ""
    mode: int = 0o644
    target: str = ""  # of a symbolic link; then there is no content


@attrs.frozen
class Recipe:
    """What a base system is made from. Equal recipes make one base, whichever node or cluster asks for it."""

    architecture: Architecture
    release: str  # of Debian
    alias: str  # the mirrors' other name for it
    kind: str  # what it is for: head, head-gps, head-gps-consoles, worker, worker-compiler, worker-containers
    components: tuple[str, ...]
    packages: tuple[str, ...]
    early_files: tuple[BaseFile, ...]  # there before packages are configured, since those read them
    late_files: tuple[BaseFile, ...]  # put in when all packages are there
    mpich: str | None = None  # the key of one that is compiled from source; None: Debian's

    @property
    def key(self) -> str:
        """Return its name in the cache: what people read, and a digest of everything."""
        said = attrs.asdict(self, filter=lambda _, value: value is not None)
        facts = json.dumps([_FORMAT, said], sort_keys=True)
        digest = hashlib.sha256(facts.encode()).hexdigest()[:_KEY_DIGITS]
        return f"{self.release}-{self.architecture.debian}-{self.kind}-{digest}"

    @property
    def title(self) -> str:
        """Return it as people say it."""
        kind = self.kind.replace("-", " with ", 1).replace("-", " and ")
        return f"Debian {self.release} {self.architecture.debian} {kind}"


def recipe_for(plan: Plan, node: NodePlan, source: Source | None = None) -> Recipe:
    """Return what the node's card is made from. Raises UsageError for a PC, which has no card.

    The head always has a compiler; a worker only where the head's programs would not run on it. `source` is the
    cluster's own MPICH, instead of Debian's.
    """
    if not node.board.firmware:
        raise UsageError(
            f"{node.name} has no card: a {node.board.title} does not boot from one of ours",
            hint="`pibramble files` lists what its own system needs",
        )
    head = node.role is Role.HEAD
    compiler = head or node.board.architecture is not plan.head.board.architecture
    more = additions(plan, node)
    kind = "-".join(["head" if head else "worker", *(["compiler"] if compiler and not head else []), *more])
    lists = ["everywhere", *(["head"] if head else []), *(["compiler"] if compiler else []), *more]
    own = mpich.key(source, node.board.architecture) if source else None
    return debian(node.board.architecture, kind, lists, own)


def additions(plan: Plan, node: NodePlan) -> tuple[str, ...]:
    """Return the lists of packages that only some clusters' nodes need: gpsd would take others' adapters for itself."""
    head = node.role is Role.HEAD
    containers = plan.containers
    wanted = {
        "gps": head and plan.gps,
        "consoles": head and plan.serves_consoles,
        "containers": containers,
        "registry": head and containers and containers.registry,
    }
    return tuple(name for name, needed in wanted.items() if needed)


def debian(architecture: Architecture, kind: str, lists: Sequence[str], own_mpich: str | None = None) -> Recipe:
    """Return the recipe of Debian for one architecture, with the packages of the named lists of packages.toml.

    `own_mpich` is the key of an MPICH that comes instead of Debian's.
    """
    facts = _facts()
    kernel = facts["kernel"][architecture.debian]
    packages = {package for name in lists for package in facts["packages"][name]} | {kernel["package"]}
    if own_mpich:
        packages -= set(facts["mpich"]["packages"])
    soft_float = architecture is Architecture.ARMV6 and "compiler" in lists
    return Recipe(
        architecture=architecture,
        release=facts["release"],
        alias=facts["alias"],
        kind=kind,
        components=tuple(facts["components"]),
        packages=tuple(sorted(packages)),
        early_files=(*_initramfs(kernel["modules"]), _firmware(kernel["console"])),
        late_files=_float_unit() if soft_float and not own_mpich else (),  # our own mpicc knows by itself
        mpich=own_mpich,
    )


def packages(lists: Sequence[str]) -> tuple[str, ...]:
    """Return the packages of the named lists of packages.toml, sorted."""
    return tuple(sorted({package for name in lists for package in _facts()["packages"][name]}))


def remarks(node: NodePlan) -> tuple[str, ...]:
    """Return what a person should know before a card is made for such a board."""
    remark = _facts()["remarks"].get(node.board.name)
    return (f"{node.name}: {remark}",) if remark else ()


@cache
def _facts() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("packages.toml").read_text(encoding="utf-8"))


def _initramfs(modules: Sequence[str]) -> tuple[BaseFile, ...]:
    """Return initramfs-tools(7)'s configuration: these modules, packed by zstd, which a slow board unpacks fastest."""
    settings = "# By pibramble.\nCOMPRESS=zstd\nMODULES=list\n"
    return (
        BaseFile("/etc/initramfs-tools/conf.d/pibramble.conf", settings),
        BaseFile("/etc/initramfs-tools/modules", "\n".join(modules) + "\n"),
    )


def _firmware(console: str) -> BaseFile:
    """Return raspi-firmware's configuration: left to itself it looks at the consoles of the machine that builds."""
    return BaseFile("/etc/default/raspi-firmware", f'# By pibramble.\nCONSOLES="tty0 {console}"\n')


# Debian's armel passes floating point numbers in integer registers, and so calculates in software. The boards have a
# VFP: `softfp` calculates there and calls as before, so that Debian's libraries fit.
_FLOAT_UNIT = """\
#!/bin/sh
# By pibramble: MPICH's compiler of this name, told that the board has a floating point unit. Later options win.
exec "/usr/bin/${0##*/}" -march=armv6 -mfpu=vfp -mfloat-abi=softfp "$@"
"""
_WRAPPER = "/usr/local/lib/pibramble/compile-for-vfp"
_COMPILERS = ("mpicc", "mpicxx", "mpic++", "mpif77", "mpif90", "mpifort")


def _float_unit() -> tuple[BaseFile, ...]:
    """Return wrappers that come before MPICH's own compilers on everybody's PATH."""
    links = (BaseFile(f"/usr/local/bin/{name}", target=_WRAPPER) for name in _COMPILERS)
    return (BaseFile(_WRAPPER, _FLOAT_UNIT, 0o755), *links)
