"""The keeper, started for real, with harmless machines in place of QEMU."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path

import attrs
import pytest

from pibramble.errors import Exit, NotUpError, PibrambleError
from pibramble.targets.emulator.keeping import end_keeper, start_keeper
from pibramble.targets.emulator.order import Facts, LineOrder, LinkFacts, NodeFacts, socket_paths
from pibramble.targets.emulator.state import EmulatorState
from pibramble.targets.processes import Process
from tests.unit.targets.emulator.keepers import FOREVER, PATIENCE_S, TOKEN, Bench, until


def running() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def command(pid: int) -> list[str]:
    """Return a process' words; none of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def machines(state: EmulatorState) -> list[Process]:
    """Return what runs, once each has become the machine's own program."""
    until(lambda: all(command(pid) and str(state.keeper.pid) not in command(pid) for pid in state.keeper.children()))
    return [Process.of(pid) for pid in state.keeper.children()]


def test_every_machine_runs_when_the_keeper_is_ready(bench: Bench) -> None:
    state = bench.start(head=FOREVER, zero1=FOREVER)
    assert state.ask("facts") == Facts(
        nodes={name: NodeFacts(running=True, starts=1) for name in ("head", "zero1")}, links={}
    )
    assert [command(machine.pid) for machine in machines(state)] == [list(FOREVER)] * 2


def test_a_plug_is_pulled_and_put_back(bench: Bench) -> None:
    state = bench.start(head=FOREVER, zero1=FOREVER)
    running = machines(state)
    assert state.ask("stop", "zero1").nodes["zero1"] == NodeFacts(running=False, starts=1, ended="unplugged")
    assert [machine.alive() for machine in running].count(True) == 1
    assert state.ask("stop", "zero1").nodes["head"].running  # again: nothing happens
    assert state.ask("start", "zero1").nodes["zero1"] == NodeFacts(running=True, starts=2)
    assert state.ask("start", "zero1").nodes["zero1"].starts == 2  # it runs already
    assert len(machines(state)) == 2


def test_what_qemu_complained_of_is_told(bench: Bench) -> None:
    script = "echo 'qemu: warning' >&2; echo 'qemu: no such machine' >&2; exit 1"
    state = bench.start(head=("sh", "-c", script))
    until(lambda: not state.ask("facts").nodes["head"].running)
    assert state.ask("facts").nodes["head"].ended == "QEMU ended with code 1: qemu: no such machine"


def test_a_qemu_that_was_killed_is_said_to_be(bench: Bench) -> None:
    state = bench.start(head=FOREVER)
    machines(state)[0].kill()
    until(lambda: not state.ask("facts").nodes["head"].running)
    assert state.ask("facts").nodes["head"].ended == "QEMU was ended by SIGKILL"


def test_a_program_that_is_not_there_is_told(bench: Bench) -> None:
    state = bench.start(head=("qemu-system-none",))
    until(lambda: not state.ask("facts").nodes["head"].running)
    assert "qemu-system-none" in state.ask("facts").nodes["head"].ended


def boots(log: Path, last_words: str) -> tuple[str, ...]:
    """Return a machine that says something and ends the first time, and stays the second."""
    script = 'if [ -e "$1" ]; then exec sleep 1000; fi; printf "%b" "$2" >"$1"; exit 0'
    return ("sh", "-c", script, "sh", str(log), last_words)


def test_a_board_that_reboots_is_started_again(bench: Bench) -> None:
    said = "[    0.0] Linux version 6.12\\n[   90.1] reboot: Restarting system\\n"
    state = bench.start(head=boots(bench.log("head"), said))
    until(lambda: state.ask("facts").nodes["head"] == NodeFacts(running=True, starts=2))


@pytest.mark.parametrize(
    "said",
    [
        "[  0.0] Linux version 6.12\\n[  9.1] Kernel panic - not syncing: VFS\\n[  9.2] reboot: Restarting system\\n",
        "[  0.0] Linux version 6.12\\n[ 90.1] reboot: Power down\\n",
        "",
    ],
    ids=["a panic", "a power-off", "nothing"],
)
def test_a_board_that_ended_otherwise_stays_off(bench: Bench, said: str) -> None:
    state = bench.start(head=boots(bench.log("head"), said))
    until(lambda: not state.ask("facts").nodes["head"].running)
    time.sleep(0.2)
    assert state.ask("facts").nodes["head"] == NodeFacts(running=False, starts=1, ended="QEMU ended with code 0")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_with_the_keeper_everything_ends_however_it_ends(bench: Bench, number: signal.Signals) -> None:
    state = bench.start(head=FOREVER, zero1=("sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done"))
    running = machines(state)
    assert len(running) == 2
    os.kill(state.keeper.pid, number)
    until(lambda: not any(process.alive() for process in [state.keeper, *running]))


def test_when_the_keeper_has_been_ended_no_machine_runs_any_more(bench: Bench) -> None:
    state = bench.start(head=FOREVER, **{f"zero{number}": FOREVER for number in range(20)})
    running = machines(state)
    assert len(running) == 21
    end_keeper(state.keeper)
    assert not any(process.alive() for process in [state.keeper, *running])


def test_a_keeper_that_goes_the_moment_it_has_started_a_machine_takes_it_along(bench: Bench) -> None:
    name = f"1000.{os.getpid()}{time.monotonic_ns()}"  # of these machines and no others
    for _ in range(10):
        bench.start(head=("sleep", name), zero1=("sleep", name)).keeper.kill()
    until(lambda: not [pid for pid in running() if name in command(pid)])


def test_a_serial_link_is_cut_and_joined_and_its_bytes_are_counted(bench: Bench) -> None:
    state = bench.start(lines=("aplus",), head=FOREVER, aplus=FOREVER)
    head, worker = (socket.socket(socket.AF_UNIX) for _ in range(2))
    with head, worker:
        for end, path in zip((head, worker), socket_paths(bench.wires, "aplus"), strict=True):
            end.settimeout(PATIENCE_S)
            end.connect(path)
        worker.sendall(b"up")
        until(lambda: state.ask("facts").links["aplus"].to_head_bytes == 2)
        assert head.recv(10) == b"up"
        assert not state.ask("cut", "aplus").links["aplus"].joined
        head.sendall(b"lost")
        until(lambda: state.ask("facts").links["aplus"].lost_bytes == 4)
        assert state.ask("join", "aplus").links["aplus"].joined
        head.sendall(b"down!")
        assert worker.recv(10) == b"down!"
        assert state.ask("facts").links["aplus"].to_worker_bytes == 5


def test_usb_cables_are_paired_at_the_socket_that_was_handed_down(bench: Bench) -> None:
    state = bench.start(cables=("zero1",), head=FOREVER, zero1=FOREVER)
    assert state.ask("facts").links == {"zero1": LinkFacts(joined=False, plugged=0, vain=0)}
    ends = [socket.create_connection(bench.cables.getsockname(), PATIENCE_S) for _ in range(2)]
    for end, which in zip(ends, ("head", "worker"), strict=True):
        end.sendall(f"{TOKEN} {which} zero1\n".encode())
    for end in ends:
        assert end.makefile("rb").readline() == b"go\n"
    link = state.ask("facts").links["zero1"]
    assert (link.joined, link.plugged, link.vain) == (True, 1, 0)
    ends[0].close()
    until(lambda: not state.ask("facts").links["zero1"].joined)
    ends[1].close()


def test_the_keeper_writes_down_how_each_machine_was_started(bench: Bench) -> None:
    bench.start(head=("sleep", "1000", "0"))
    assert (bench.folder / "keeper.log").read_text().splitlines() == ["+ sleep 1000 0 &"]


@pytest.mark.parametrize(("do", "node"), [("start", "nobody"), ("cut", "nobody"), ("dance", "head")])
def test_a_request_that_makes_no_sense_is_refused_and_ends_nothing(bench: Bench, do: str, node: str) -> None:
    state = bench.start(head=FOREVER)
    with pytest.raises(NotUpError, match=f"refused `{do} {node}`"):
        state.ask(do, node)
    assert state.ask("facts").nodes["head"].running


@pytest.mark.parametrize("garbage", [b"\n", b"null\n", b"[]\n", b"{}\n", b"\xff\xfe\n", b'{"do": "start"}\n'])
def test_garbage_is_answered_with_an_error(bench: Bench, garbage: bytes) -> None:
    state = bench.start(head=FOREVER)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(state.control))
        connection.sendall(garbage)
        assert set(json.loads(connection.makefile("rb").read())) == {"error"}
    assert state.ask("facts").nodes["head"].running


def test_a_keeper_that_is_gone_is_said_to_be_gone(bench: Bench) -> None:
    state = bench.start(head=FOREVER)
    state.keeper.kill()
    with pytest.raises(NotUpError, match=f"keeper .process {state.keeper.pid}. does not answer") as error:
        state.ask("facts")
    assert error.value.exit_code == Exit.NOT_UP
    assert error.value.hint == "`pibramble down`, then `pibramble up --target emulator`"


def test_a_socket_that_is_gone_is_named(bench: Bench) -> None:
    state = bench.start(head=FOREVER)
    state.control.unlink()
    with pytest.raises(NotUpError) as error:
        state.ask("facts")
    assert error.value.message == (
        f"the emulator's keeper (process {state.keeper.pid}) does not answer: its socket {state.control} is gone"
    )


def test_a_keeper_that_cannot_start_says_why(bench: Bench) -> None:
    order = attrs.evolve(bench.order(head=FOREVER), lines={"aplus": LineOrder("/nowhere/a", "/nowhere/b", None)})
    with pytest.raises(PibrambleError, match="keeper did not start") as error:
        start_keeper(order, bench.folder / "keeper.log")
    assert "No such file" in error.value.hint


def test_the_state_is_kept_for_one_person_alone(tmp_path: Path) -> None:
    file = tmp_path / "emulator.json"
    state = EmulatorState(Process(1, 2), "digest", 22_022, "/run/wires")
    state.save(file)
    assert EmulatorState.load(file) == state
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"keeper": {}}', '{"keeper": {"pid": 1, "started": 1}}'])
def test_a_state_file_that_makes_no_sense_is_none(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "emulator.json"
    if text is not None:
        file.write_text(text)
    assert EmulatorState.load(file) is None
