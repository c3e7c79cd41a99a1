"""What is thought of a card: by what its guest's script says over a console that others write to, and by its disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from pibramble import keys, proc
from pibramble.cards import delta, layout
from pibramble.cards.assemble import Assembler
from pibramble.cards.store import Store
from pibramble.errors import Exit, UsageError
from pibramble.files.model import Keyring
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.progress import SilentProgress
from pibramble.spec.model import Cluster, HeadSection, WorkerGroup
from pibramble.targets.emulator import extras, verify
from pibramble.targets.emulator.verify import Verdict, Verifier, facts, judge
from tests.unit.cards.bases import make_base
from tests.unit.targets.emulator.desk import pibramble

QUIET = SilentProgress()
KERNEL = "[  145.969740] bcm2835-rng 20104000.rng: hwrng registered"
WELL = {"host": "zero1", "state": "running", "failed": "", "sshd": "0", "root": "1.9G"}


def line(key: str, words: str) -> str:
    digits = hashlib.sha256(f"{key} {words}".encode()).hexdigest()[:8]
    return f"pibramble-verify: {key} {words} |{digits}\r\n"


def console(said: dict[str, str]) -> str:
    return "".join(line(key, words) for key, words in said.items())


def judged(plan: Plan, said: dict[str, str], starts: int = 1) -> Verdict:
    return judge(plan.node("zero1"), facts(console(WELL | said)), 61.2, starts)


# --- what was said ----------------------------------------------------------------------------------------------------


def test_what_was_said_is_heard() -> None:
    assert facts(console(WELL)) == WELL


@pytest.mark.parametrize("where", range(1, len(line("state", "running")) - 2))
def test_a_line_that_the_kernel_tore_is_not_believed_wherever_it_did(where: int) -> None:
    whole = line("state", "running").strip()
    torn = f"{whole[:where]}{KERNEL}\r\n{whole[where:]}\r\n"
    assert facts(torn) == {}
    assert facts(torn + console(WELL)) == WELL  # it is said again
    joined = f"{whole[:where]}{KERNEL}{whole[where:]}\r\n"
    assert facts(joined) == {}
    assert facts(f"{whole[:where]}{console(WELL)}") == WELL  # in the middle of another


def test_what_stands_around_a_line_does_not_count() -> None:
    for before, after in (("[  OK  ] Reach", ""), ("", KERNEL), ("zero1 login: ", f"{KERNEL}\r\n")):
        assert facts(before + line("state", "running").strip() + after) == {"state": "running"}


# --- what is thought of it --------------------------------------------------------------------------------------------


def test_a_good_boot(plan: Plan) -> None:
    assert judged(plan, {}) == Verdict(
        "zero1", good=True, verdict="good", seen="booted in 61 s here: running, root 1.9G", starts=1
    )


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            {"state": "degraded", "failed": "ssh.service pibramble-ppp@aplus.service"},
            "systemd says degraded: ssh.service, pibramble-ppp@aplus.service",
        ),
        ({"state": "maintenance"}, "systemd says maintenance: no unit has failed"),
        ({"host": "zero2"}, "it calls itself zero2"),
        (
            {"sshd": "255 /etc/ssh/sshd_config.d/x.conf: line 3: Bad configuration option: Nonsense"},
            "sshd refuses its configuration: /etc/ssh/sshd_config.d/x.conf: line 3: Bad configuration option: Nonsense",
        ),
        ({"sshd": "127"}, "sshd refuses its configuration: without a word"),
        ({"host": "x", "state": "starting"}, "it calls itself x; systemd says starting: no unit has failed"),
    ],
)
def test_a_bad_boot_is_called_bad_with_all_that_is_wrong(plan: Plan, said: dict[str, str], problem: str) -> None:
    verdict = judged(plan, said)
    assert (verdict.good, verdict.verdict, verdict.problem) == (False, "bad", problem)


def test_a_guest_that_said_nothing_is_not_good(plan: Plan) -> None:
    assert not judge(plan.node("zero1"), {}, 60, 1).good


def test_what_sshd_warns_of_and_accepts_is_no_fault_but_said(plan: Plan) -> None:
    verdict = judged(plan, {"sshd": "0 x.conf line 3: Deprecated option UsePrivilegeSeparation"})
    assert verdict.good
    assert verdict.seen.endswith("sshd warns: x.conf line 3: Deprecated option UsePrivilegeSeparation")


def test_how_often_it_was_started_is_said(plan: Plan) -> None:
    verdict = judged(plan, {}, starts=3)
    assert (verdict.good, verdict.starts) == (True, 3)
    assert verdict.seen.endswith("running, root 1.9G, at start 3: before, it fell silent while its kernel started")


# --- the script, by bash, with this machine's sshd --------------------------------------------------------------------


@attrs.frozen
class Guest:
    """A folder of programs that the script finds first."""

    folder: Path

    def program(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def sshd(self, configuration: str) -> None:
        """Have it judge this configuration: really."""
        real = shutil.which("sshd", path=proc.system_path())
        assert real is not None
        host_key = self.folder / "host_key"
        if not host_key.exists():
            proc.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(host_key)])
        (self.folder / "sshd_config").write_text(f"HostKey {host_key}\n{configuration}\n")
        self.program("sshd", f'exec {real} -f {self.folder / "sshd_config"} "$@"')

    def says(self) -> dict[str, str]:
        """Return what the script says until it has said everything."""
        script = Path(extras.__file__).with_name("guest") / "verify"
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}
        with subprocess.Popen(["bash", script], stdout=subprocess.PIPE, env=environment) as child:
            assert child.stdout is not None
            said = b""
            deadline = time.monotonic() + 60
            while not facts(said.decode()).keys() >= set(verify._FACTS):  # noqa: SLF001 (what is waited for)
                assert time.monotonic() < deadline, said
                read = os.read(child.stdout.fileno(), 65536)
                assert read, said
                said += read
            child.kill()
        return facts(said.decode())


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    """A system that has come up well; systemctl's words are those of a man page, since no systemd runs in tests."""
    made = Guest(tmp_path)
    made.program("systemctl", 'case "$1" in is-system-running) echo running ;; esac')
    made.sshd("")
    return made


def test_the_script_says_what_is_there(guest: Guest) -> None:
    said = guest.says()
    assert said["host"] == os.uname().nodename
    assert (said["state"], said["failed"], said["sshd"]) == ("running", "", "0")
    assert said["root"] == proc.run(["findmnt", "--noheadings", "--output", "SIZE", "/"]).stdout.strip()


def test_the_script_says_which_units_have_failed(guest: Guest) -> None:
    units = r"printf 'ssh.service loaded failed failed SSH server\nx.service loaded failed failed X\n'"
    guest.program("systemctl", f'case "$1" in is-system-running) echo degraded; exit 1 ;; --failed) {units} ;; esac')
    said = guest.says()
    assert (said["state"], said["failed"]) == ("degraded", "ssh.service x.service")


def test_the_script_tells_a_warning_from_a_refusal(guest: Guest, plan: Plan) -> None:
    guest.sshd("UsePrivilegeSeparation yes")
    warned = guest.says()["sshd"]
    assert warned.startswith("0 ")
    assert "Deprecated option" in warned
    assert judged(plan, {"sshd": warned}).good
    guest.sshd("Nonsense yes\nNonsense no")
    refused = guest.says()["sshd"]
    assert not refused.startswith("0")
    assert "Bad configuration option: Nonsense" in judged(plan, {"sshd": refused}).problem


# --- file systems -----------------------------------------------------------------------------------------------------

PLAN = resolve(Cluster(head=HeadSection(board="pi-1b"), workers=(WorkerGroup(name="zero1"),)))


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verifier]:
    """The cards of both nodes, over a toy base."""
    folder = tmp_path_factory.mktemp("cards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIBRAMBLE_CACHE", str(folder / "cache"))
        keyring = keys.ensure(PLAN, folder / "state", QUIET)
        Assembler(PLAN, keyring, Store(folder / "state")).make(list(PLAN.nodes), make_base(folder), QUIET)
        yield Verifier(PLAN, keyring, folder / "state")


def test_a_sound_card_is_good_without_a_boot(verifier: Verifier) -> None:
    verdict = verifier.verify(PLAN.node("zero1"), QUIET, boot=False)
    assert verdict == Verdict("zero1", good=True, verdict="good", seen="as planned, file systems clean")


@pytest.mark.parametrize("which", ["root", "boot"])
def test_a_file_system_that_is_not_clean_is_bad(verifier: Verifier, which: str) -> None:
    """As planned by its digests, and yet its disk is not what e2fsck and fsck.fat take for sound."""
    store = Store(verifier.folder)
    path = store.path("zero1")
    before = path.read_bytes()
    head = delta.read_head(path)
    with store.image("zero1") as image:
        _, found = layout.read_layout(image.read(0, layout.SECTOR_BYTES))
        runs = {extent.offset: image.read(extent.offset, extent.length) for extent in image.differences}
        # Over ext4's first bitmaps and inodes, and over the first FAT; the superblock and the boot sector stay.
        at, length = (found.root.offset + 8192, 65536) if which == "root" else (found.boot.offset + 16384, 4096)
        damaged = {offset: data for offset, data in runs.items() if offset + len(data) <= at or offset >= at + length}
    try:
        store.save(head, damaged | {at: b"\xa5" * length})
        verdict = verifier.verify(PLAN.node("zero1"), QUIET, boot=False)
    finally:
        path.write_bytes(before)
    assert (verdict.good, verdict.verdict, verdict.seen) == (False, "bad", "as planned")
    expected = "its root file system is not clean" if which == "root" else "its boot partition is not clean"
    assert verdict.problem.startswith(expected)


# --- the command ------------------------------------------------------------------------------------------------------


def test_a_card_that_was_never_made_is_not_called_bad(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text(
        '[cluster]\nname = "emu"\n[head]\nboard = "pi-1b"\n[[workers]]\nname = "zero1"\n'
    )
    state = {"PIBRAMBLE_STATE": str(tmp_path / "state")}
    done = pibramble("card", "verify", "zero1", folder=tmp_path, **state)
    assert done.returncode == Exit.FAILED
    assert [row.split() for row in done.stdout.splitlines()][1] == ["zero1", "not", "built"]
    assert "zero1: not built: `pibramble card build zero1`" in done.stderr
    [verdict] = json.loads(pibramble("card", "verify", "zero1", "--json", folder=tmp_path, **state).stdout)
    assert (verdict["good"], verdict["verdict"], verdict["starts"]) == (False, "not built", 0)


def test_what_the_emulator_cannot_be_is_refused_before_the_card_is_looked_at(tmp_path: Path) -> None:
    many = resolve(Cluster(head=HeadSection(board="pi-1b"), workers=(WorkerGroup(name="zero[1-9]"),)))
    with pytest.raises(UsageError, match="9 workers hang on the head by USB"):
        Verifier(many, Keyring("", "", "", "", {}), tmp_path).verify(many.head, QUIET, boot=True)
