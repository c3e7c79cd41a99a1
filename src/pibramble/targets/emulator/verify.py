"""Whether a card will do, seen before it is written: its file systems are checked, and it is booted, alone."""

from __future__ import annotations

import hashlib
import re
import socket
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import attrs

from pibramble import proc
from pibramble.cards import export, layout
from pibramble.cards.delta import DeltaError, DeltaImage
from pibramble.cards.image import ImageError
from pibramble.cards.store import Store, Worth
from pibramble.errors import PibrambleError
from pibramble.files.model import Keyring
from pibramble.plan.model import NodePlan, Plan
from pibramble.progress import Progress, SilentProgress
from pibramble.targets import sockets
from pibramble.targets.emulator import prepare
from pibramble.targets.emulator.boot import FELL_SILENT, BootError, Watch
from pibramble.targets.emulator.command import free_port, uplink
from pibramble.targets.emulator.extras import Backplane
from pibramble.targets.emulator.keeping import kept
from pibramble.targets.emulator.order import Order
from pibramble.targets.emulator.state import control_socket

_PATIENCE_S = 420.0  # on an idle PC some 60 s
_FSCK_S = 600
# What guest/verify says: words, and the first digits of their digest. Lines that the kernel has torn may overlap.
_SAID = re.compile(r"(?=pibramble-verify: (\w+)( [^\r\n]*?)\|([0-9a-f]{8}))")
_DIGITS = 8
_FACTS = ("host", "state", "failed", "sshd", "root")
_FSCK_FAT_DIRTY = 1  # fsck.fat(8): errors that it would have corrected


@attrs.frozen
class Verdict:
    """What is said of one card."""

    node: str
    good: bool
    verdict: str  # in a word: good, bad, or what a card that was not tried is (`not built`)
    seen: str  # what was tried and went well
    problem: str = ""
    starts: int = 0  # how often its machine was started: more than once when a boot fell silent


@attrs.frozen
class Verifier:
    """Verifies the cards of one cluster."""

    plan: Plan
    keyring: Keyring
    folder: Path  # the cluster's state folder

    def verify(self, node: NodePlan, progress: Progress, *, boot: bool) -> Verdict:
        """Verify one card; what is wrong with it is the verdict.

        Raises MissingError without the programs that a boot takes, UsageError for what the emulator cannot be.
        """
        if boot:
            prepare.check_wires(self.plan, [node])
            prepare.check_programs([node])
        store = Store(self.folder)
        worth = store.judge(node.name, self.plan, self.keyring).worth
        if worth is not Worth.CURRENT:
            problem = f"{worth}: `pibramble card build {node.name}`"
            return Verdict(node.name, good=False, verdict=worth, seen="", problem=problem)
        try:
            with store.image(node.name) as image:
                with progress.step(f"Checking the file systems of {node.name}"):
                    _check_file_systems(image)
                if not boot:
                    return Verdict(node.name, good=True, verdict="good", seen="as planned, file systems clean")
                return self._boot(node, image, progress)
        except (BootError, DeltaError, ImageError, UncleanError) as error:
            return Verdict(node.name, good=False, verdict="bad", seen="as planned", problem=str(error))

    def _boot(self, node: NodePlan, image: DeltaImage, progress: Progress) -> Verdict:
        scratch = self.folder / "emulator" / f"verify-{node.name}"
        wires = sockets.folder(str(scratch), f"v-{node.name}")
        sockets.make(wires)
        began = time.monotonic()
        try:
            with socket.create_server(("127.0.0.1", 0)) as cables, progress.lines([node.name]) as lines:
                nowhere = Backplane(cables.getsockname()[1], "nobody")
                bench = prepare.Bench(self.plan, wires, nowhere, uplink(self.plan, free_port(), wires / "world"))
                machine = bench.prepare(node, image, scratch, verify=True)
                log = Path(machine.log)
                log.unlink(missing_ok=True)
                order = Order({node.name: machine}, {}, str(control_socket(wires)), cables.fileno(), "nobody")
                with kept(order, scratch / "keeper.log") as state:
                    watch = Watch({node.name: log}, lines, state.ask)
                    try:
                        watch.wait(lambda: _all_said(log), time.monotonic() + _PATIENCE_S, "its boot")
                    except BootError as error:
                        starts = watch.starts(node.name)
                        return Verdict(node.name, False, "bad", "as planned", str(error), starts)  # noqa: FBT003
            return judge(node, facts(_text(log)), time.monotonic() - began, watch.starts(node.name))
        finally:
            prepare.remove(scratch)
            sockets.remove(wires)


class UncleanError(PibrambleError):
    """A file system of a card that is not sound."""


def _check_file_systems(image: DeltaImage) -> None:
    """Raise UncleanError when one of the checkers complains."""
    with tempfile.TemporaryDirectory(prefix="pibramble-verify-") as name:
        whole = Path(name) / "card.img"
        export.raw(image, whole, SilentProgress())
        _, found = layout.read_layout(image.read(0, layout.SECTOR_BYTES))
        root = proc.run(["e2fsck", "-fn", f"{whole}?offset={found.root.offset}"], check=False, timeout_s=_FSCK_S)
        if root.returncode != 0:
            raise UncleanError("its root file system is not clean", hint=root.stdout.strip()[-600:])
        boot = Path(name) / "boot.img"
        with whole.open("rb") as source, boot.open("wb") as target:
            source.seek(found.boot.offset)
            target.write(source.read(found.boot.length))
        fat = proc.run(["fsck.fat", "-n", str(boot)], check=False, timeout_s=_FSCK_S)
        if fat.returncode >= _FSCK_FAT_DIRTY:
            raise UncleanError("its boot partition is not clean", hint=fat.stdout.strip()[-600:])


def facts(console: str) -> dict[str, str]:
    """Return what the guest has said of its boot, as far as it came through whole. Of a later boot, the later word."""
    return {
        key: words.strip()
        for key, words, digits in _SAID.findall(console)
        if hashlib.sha256(f"{key}{words.removesuffix(' ')}".encode()).hexdigest()[:_DIGITS] == digits
    }


def judge(node: NodePlan, said: Mapping[str, str], seconds: float, starts: int) -> Verdict:
    """Return what is to be thought of a boot after which the guest has `said` so (facts)."""
    state, failed = said.get("state", "nothing"), said.get("failed", "")
    accepted, _, words = said.get("sshd", "").partition(" ")
    problems = []
    if said.get("host") != node.name:
        problems.append(f"it calls itself {said.get('host', 'nothing')}")
    if state != "running":
        problems.append(f"systemd says {state}: {', '.join(failed.split()) or 'no unit has failed'}")
    if accepted != "0":
        problems.append(f"sshd refuses its configuration: {words or 'without a word'}")
    seen = [f"booted in {seconds:.0f} s here: {state}", f"root {said.get('root', '?')}"]
    if starts > 1:
        seen.append(f"at start {starts}: before, it {FELL_SILENT}")
    if accepted == "0" and words:
        seen.append(f"sshd warns: {words}")
    verdict = "bad" if problems else "good"
    return Verdict(node.name, not problems, verdict, ", ".join(seen), "; ".join(problems), starts)


def _all_said(log: Path) -> bool:
    return facts(_text(log)).keys() >= set(_FACTS)


def _text(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
