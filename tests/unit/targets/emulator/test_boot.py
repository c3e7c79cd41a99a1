"""Watching boots: a line for each stage, and words for one that does not come up."""

from __future__ import annotations

import time
from pathlib import Path

import attrs
import pytest

from pibramble.errors import Exit
from pibramble.targets.emulator import boot
from pibramble.targets.emulator.boot import BootError, Watch
from pibramble.targets.emulator.order import Facts, NodeFacts
from pibramble.targets.emulator.stages import Stage
from tests.unit.targets.emulator.test_stages import KERNEL, NETWORK, PANIC, SSH, SYSTEMD


@attrs.define
class Bench:
    """Consoles that a test writes, and a keeper that says what a test wants."""

    folder: Path
    said: list[tuple[str, str]] = attrs.field(factory=list)
    ended: dict[str, str] = attrs.field(factory=dict)
    asked: list[tuple[str, str]] = attrs.field(factory=list)
    names: tuple[str, ...] = ("head", "zero1")
    busy_s: float = 0.0  # of each QEMU

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def write(self, name: str, text: str) -> None:
        with self.log(name).open("a", newline="") as log:
            log.write(text)

    def say(self, name: str, text: str) -> None:
        self.said.append((name, text))

    def ask(self, do: str, node: str = "") -> Facts:
        if do != "facts":
            self.asked.append((do, node))
        nodes = {
            name: NodeFacts(name not in self.ended, 1, self.ended.get(name, ""), self.busy_s) for name in self.names
        }
        return Facts(nodes, {})

    def watch(self) -> Watch:
        return Watch({name: self.log(name) for name in self.names}, self, self.ask)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(boot, "_POLL_S", 0.01)
    return Bench(tmp_path)


def test_stages_are_shown_as_they_come_each_with_its_time(bench: Bench) -> None:
    watch = bench.watch()
    for text in (KERNEL, SYSTEMD, NETWORK, SSH):
        bench.write("zero1", text)
        watch.look()
        watch.look()  # nothing new, so nothing more is said
    watch.ready("zero1")
    assert bench.said == [
        ("zero1", "kernel 0 s"),
        ("zero1", "kernel 0 s, systemd 0 s"),
        ("zero1", "kernel 0 s, systemd 0 s, network 0 s"),
        ("zero1", "kernel 0 s, systemd 0 s, network 0 s, ssh 0 s"),
        ("zero1", "kernel 0 s, systemd 0 s, network 0 s, ssh 0 s, ready 0 s"),
    ]
    assert watch.reached("zero1", Stage.SSH)
    assert not watch.reached("head", Stage.KERNEL)


def test_what_an_earlier_boot_said_does_not_count(bench: Bench) -> None:
    bench.write("zero1", KERNEL + SYSTEMD + NETWORK + SSH)
    watch = bench.watch()
    bench.write("zero1", KERNEL)
    watch.look()
    assert bench.said == [("zero1", "kernel 0 s")]


def test_a_machine_that_has_ended_is_named_with_what_its_console_said_last(bench: Bench) -> None:
    watch = bench.watch()
    bench.write("zero1", KERNEL + "EXT4-fs error (device mmcblk0p2): ext4_find_entry\r\n" + PANIC)
    bench.ended["zero1"] = "QEMU ended with code 0"
    with pytest.raises(BootError, match="zero1 did not come up: QEMU ended with code 0") as error:
        watch.look()
    assert error.value.exit_code == Exit.FAILED
    lines = error.value.hint.splitlines()
    assert lines[0] == "likely: the root file system is damaged"
    assert lines[1] == "`pibramble card build zero1 --anew` makes the card again"
    assert lines[2] == "its console's last lines:"
    assert lines[-1] == "  [  301.102938] reboot: Restarting system"


def test_a_machine_that_says_nothing_is_named_all_the_same(bench: Bench) -> None:
    watch = bench.watch()
    bench.ended["head"] = "QEMU ended with code 1: no such machine"
    with pytest.raises(BootError, match="head did not come up: QEMU ended with code 1: no such machine") as error:
        watch.look()
    assert "nothing it said tells why; it came as far as power" in error.value.hint
    assert str(bench.log("head")) in error.value.hint


def test_waiting_ends_when_all_is_there(bench: Bench) -> None:
    watch = bench.watch()
    bench.write("head", KERNEL + SYSTEMD + NETWORK + SSH)
    watch.wait(lambda: watch.reached("head", Stage.SSH), time.monotonic() + 20, "its boot")
    assert bench.said[-1][1].endswith("ssh 0 s")


def test_waiting_too_long_names_the_one_that_is_late(bench: Bench) -> None:
    watch = bench.watch()
    bench.write("head", KERNEL + SYSTEMD + NETWORK + SSH)
    bench.write("zero1", KERNEL + SYSTEMD)
    with pytest.raises(BootError, match="zero1 did not come up: its boot took too long") as error:
        watch.wait(lambda: watch.reached("zero1", Stage.SSH), time.monotonic() + 0.2, "its boot")
    assert "it came as far as systemd" in error.value.hint


def test_a_keeper_that_knows_of_more_nodes_is_asked_for_ours_alone(bench: Bench) -> None:
    watch = Watch({"zero1": bench.log("zero1")}, bench, bench.ask)
    bench.ended["head"] = "unplugged"
    watch.look()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("You are in emergency mode.", "systemd gave up"),
        ("root account is locked, cannot open an access shell", "systemd gave up"),
        ("[!!!!!!] Failed to execute /sbin/init, giving up.", "systemd cannot go on"),
        ("systemd[1]: Freezing execution.", "systemd cannot go on"),
    ],
)
def test_a_boot_that_has_given_up_is_not_waited_for(bench: Bench, said: str, reason: str) -> None:
    watch = bench.watch()
    bench.write("zero1", KERNEL + SYSTEMD + said)
    with pytest.raises(BootError, match="zero1 did not come up: its boot has failed") as error:
        watch.look()
    assert f"likely: {reason}" in error.value.hint


def test_a_kernel_that_has_fallen_silent_is_started_again_twice_and_no_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot, "_STUCK_S", 0.05)
    bench.write("head", "")
    watch = Watch({"zero1": bench.log("zero1")}, bench, bench.ask)
    for _ in range(5):
        bench.write("zero1", KERNEL)
        bench.busy_s = 0.0
        watch.look()
        time.sleep(0.1)
        bench.busy_s = 21.0
        watch.look()
    assert bench.asked == [("stop", "zero1"), ("start", "zero1")] * 2
    assert bench.said[-1][1].startswith(
        "kernel 0 s, fell silent, started again, kernel 0 s, fell silent, started again"
    )
    assert watch.starts("zero1") == 3
    assert watch.restarted() == [
        "zero1 fell silent while its kernel started, and came up at start 3; `pibramble emulator differences` says more"
    ]
    bench.ended["zero1"] = "it has ended"
    with pytest.raises(BootError) as error:
        watch.look()
    assert "it fell silent while its kernel started before: this was start 3" in error.value.hint


@pytest.mark.parametrize(("idle_s", "asked"), [(60.0, []), (0.05, [("stop", "zero1"), ("start", "zero1")])])
def test_a_kernel_without_processor_time_may_be_silent_for_longer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, idle_s: float, asked: list[tuple[str, str]]
) -> None:
    """On a busy PC minutes pass in which QEMU hardly runs. One that does not run at all hangs, too."""
    monkeypatch.setattr(boot, "_STUCK_S", 0.05)
    monkeypatch.setattr(boot, "_STUCK_IDLE_S", idle_s)
    watch = Watch({"zero1": bench.log("zero1")}, bench, bench.ask)
    bench.write("zero1", KERNEL)
    watch.look()
    time.sleep(0.1)
    bench.busy_s = 19.0
    watch.look()
    assert bench.asked == asked


def test_a_system_that_says_nothing_for_long_is_left_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot, "_STUCK_S", 0.05)
    watch = bench.watch()
    for name in bench.names:
        bench.write(name, KERNEL + SYSTEMD)
    watch.look()
    time.sleep(0.1)
    watch.look()
    assert bench.asked == []
    assert watch.restarted() == []
