from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from pibramble.operate.execute import Interrupted, Stop, Stream, execute
from pibramble.operate.outcome import Fate
from tests.unit.operate.conftest import Nodes

# How long the commands sleep that have to be found again: a number that no other run of these tests uses.
SLEEP = 10_000_000 + os.getpid()
ALL = ("zero1", "zero2", "zero3", "zero4")


def running(marker: str) -> list[int]:
    """Return the processes of this machine whose command line holds the marker."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in file.read_bytes() and int(file.parent.name) != os.getpid():
                found.append(int(file.parent.name))
        except OSError:
            continue
    return found


def wait_for(marker: str, count: int) -> None:
    for _ in range(100):
        if len(running(marker)) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"{marker} does not run {count} times")


def test_every_node_runs_the_command_in_order_of_the_nodes(nodes: Nodes) -> None:
    outcomes = execute(nodes, ALL, "echo $SSH_CONNECTION | cut -d' ' -f3; echo oops >&2; exit 3")
    assert list(outcomes) == list(ALL)
    for node, outcome in outcomes.items():
        assert outcome.stdout == nodes.addresses[node].encode() + b"\n"
        assert outcome.stderr == b"oops\n"
        assert (outcome.exit_code, outcome.problem, outcome.fate) == (3, "", Fate.EXITED)
        assert 0 < outcome.seconds < 10


def test_no_connection_is_opened_when_all_are_open(nodes: Nodes) -> None:
    before = len(nodes.opened)
    execute(nodes, ALL, "true")
    assert len(nodes.opened) == before


def test_missing_connections_are_opened_in_one_call(frail: Nodes) -> None:
    outcomes = execute(frail, ["frail1", "frail2"], "echo hi")
    assert frail.opened == [("frail1", "frail2")]
    assert [o.stdout for o in outcomes.values()] == [b"hi\n", b"hi\n"]


def test_a_socket_that_a_killed_master_left_is_opened_anew(frail: Nodes) -> None:
    execute(frail, ["frail1"], "true")
    os.kill(frail.master_pid("frail1"), signal.SIGKILL)
    assert frail.socket("frail1").is_socket()
    assert execute(frail, ["frail1"], "echo again")["frail1"].stdout == b"again\n"


def test_a_connection_that_will_not_open_is_no_reason_to_wait(frail: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frail, "open", lambda _nodes: {})  # a target that is mistaken
    outcome = execute(frail, ["frail1"], "true")["frail1"]
    assert outcome.seconds < 1
    assert "no open connection" in outcome.problem


def test_a_node_that_is_off_is_named_and_the_others_run(frail: Nodes) -> None:
    frail.kill("frail2")
    outcomes = execute(frail, ["frail1", "frail2"], "echo hi")
    assert outcomes["frail1"].stdout == b"hi\n"
    assert outcomes["frail2"].fate is Fate.UNREACHABLE
    assert outcomes["frail2"].exit_code is None
    assert "Connection refused" in outcomes["frail2"].problem


def test_a_node_that_dies_in_the_middle_is_unreachable_and_keeps_its_output(frail: Nodes) -> None:
    frail.open(["frail1"])
    killer = threading.Timer(0.5, frail.kill, ["frail1"])
    killer.start()
    outcome = execute(frail, ["frail1"], "echo before; sleep 30")["frail1"]
    assert outcome.stdout == b"before\n"
    assert outcome.fate is Fate.UNREACHABLE
    assert "lost while the command ran" in outcome.problem


def test_a_signal_at_the_node_is_told_from_a_lost_connection(nodes: Nodes) -> None:
    outcome = execute(nodes, ["zero1"], "kill -SEGV $$")["zero1"]
    assert (outcome.exit_code, outcome.fate, outcome.problem) == (255, Fate.SIGNALLED, "")


def test_bytes_reach_every_node(nodes: Nodes) -> None:
    data = os.urandom(300_000)
    outcomes = execute(nodes, ALL, "cat", stdin=data)
    assert all(outcome.stdout == data for outcome in outcomes.values())


def test_without_input_a_command_reads_the_end_at_once(nodes: Nodes) -> None:
    assert execute(nodes, ["zero1"], "cat; echo end")["zero1"].stdout == b"end\n"


def test_a_pipe_is_read_once_and_reaches_every_node(nodes: Nodes) -> None:
    data = os.urandom(1_000_000)
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as stream:
            stream.write(data)

    threading.Thread(target=write).start()
    outcomes = execute(nodes, ALL, "sleep 0.$((RANDOM % 3)); cat", stdin=reader)
    os.close(reader)
    assert all(outcome.stdout == data for outcome in outcomes.values())


def test_a_pipe_that_one_node_does_not_read_still_reaches_the_others(nodes: Nodes) -> None:
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as stream:
            stream.write(b"x" * 3_000_000)

    threading.Thread(target=write).start()
    command = 'case "$SSH_CONNECTION" in *127.0.0.2*) exit 4 ;; *) wc -c ;; esac'
    outcomes = execute(nodes, ALL, command, stdin=reader)
    os.close(reader)
    assert outcomes["zero1"].exit_code == 4
    assert [outcomes[node].stdout for node in ALL[1:]] == [b"3000000\n"] * 3


def test_a_file_is_passed_on_from_where_it_stands(nodes: Nodes, tmp_path: Path) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"skipped" + b"taken")
    with file.open("rb", buffering=0) as stream:
        stream.read(7)
        outcomes = execute(nodes, ALL, "cat", stdin=stream.fileno())
    assert all(outcome.stdout == b"taken" for outcome in outcomes.values())


def test_a_pipe_reaches_nodes_that_start_later(nodes: Nodes) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"for all")
    os.close(writer)
    outcomes = execute(nodes, ALL, "cat", stdin=reader, limit=1)
    os.close(reader)
    assert all(outcome.stdout == b"for all" for outcome in outcomes.values())


def test_a_limit_keeps_nodes_waiting(nodes: Nodes) -> None:
    began = time.monotonic()
    outcomes = execute(nodes, ALL, "sleep 0.2", limit=2)
    assert time.monotonic() - began >= 0.4
    assert all(outcome.exit_code == 0 for outcome in outcomes.values())


def test_lines_come_as_they_are_made_and_a_last_one_without_newline_too(nodes: Nodes) -> None:
    seen: list[tuple[float, Stream, bytes]] = []
    execute(
        nodes,
        ["zero1"],
        "echo one; sleep 0.3; echo two >&2; printf three",
        on_line=lambda _, stream, line: seen.append((time.monotonic(), stream, line)),
    )
    assert sorted(line for _, _, line in seen) == [b"one", b"three", b"two"]
    assert seen[0][2] == b"one"
    assert seen[1][0] - seen[0][0] >= 0.2
    assert (Stream.STDERR, b"two") in [(stream, line) for _, stream, line in seen]


def test_a_hundred_megabytes_stream_in_bounded_memory(nodes: Nodes) -> None:
    total = 0
    largest = 0

    def count(_node: str, _stream: Stream, chunk: bytes) -> None:
        nonlocal total, largest
        total += len(chunk)
        largest = max(largest, len(chunk))

    outcome = execute(nodes, ["zero1"], "head -c 100M /dev/zero", on_output=count, keep_output=False)["zero1"]
    assert total == 100 * 1024 * 1024
    assert largest <= 64 * 1024
    assert outcome.stdout == b""


@pytest.mark.parametrize(
    "command",
    [
        f"sleep {SLEEP}",  # the shell execs it
        f"sh -c 'sleep {SLEEP}; true'",  # a child of a child
        f"trap '' TERM; sleep {SLEEP}; sleep {SLEEP}",  # deaf to TERM
        f"setsid sleep {SLEEP}",  # in a session of its own
        f"env -i sleep {SLEEP}; true",  # without its label
        f"while :; do :; done # sleep {SLEEP}",  # the shell itself
    ],
)
def test_a_time_limit_ends_the_command_on_the_node(nodes: Nodes, command: str) -> None:
    outcome = execute(nodes, ["zero1"], f"echo began; {command}", timeout_s=0.4)["zero1"]
    assert running(str(SLEEP)) == []
    assert outcome.problem == "timed out after 0.4 s"
    assert (outcome.exit_code, outcome.code, outcome.fate) == (None, 124, Fate.TIMED_OUT)
    assert outcome.stdout == b"began\n"


def test_nodes_within_the_time_limit_are_not_touched(nodes: Nodes) -> None:
    command = 'case "$SSH_CONNECTION" in *127.0.0.2*) sleep 30 ;; *) sleep 0.1; echo fine ;; esac'
    outcomes = execute(nodes, ALL, command, timeout_s=4)
    assert outcomes["zero1"].fate is Fate.TIMED_OUT
    assert [outcomes[node].stdout for node in ALL[1:]] == [b"fine\n"] * 3


def test_ctrl_c_ends_the_command_on_every_node(nodes: Nodes) -> None:
    def interrupt() -> None:
        wait_for(str(SLEEP), 4)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(Interrupted) as caught:
        execute(nodes, ALL, f"sleep {SLEEP}")
    thread.join()
    assert running(str(SLEEP)) == []
    assert {o.fate for o in caught.value.outcomes.values()} == {Fate.INTERRUPTED}


def test_a_listener_that_fails_ends_the_command_too(nodes: Nodes) -> None:
    def fail(_node: str, _stream: Stream, _line: bytes) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        execute(nodes, ALL, f"echo; sleep {SLEEP}", on_line=fail)
    assert running(str(SLEEP)) == []


def test_what_a_stopped_command_leaves_is_ended_when_it_has_ended_by_itself(nodes: Nodes) -> None:
    """As `docker load` does when the disk is full: it says so, and is gone before the order to end it is there."""

    def stop(_node: str, _stream: Stream, _chunk: bytes) -> None:
        raise Stop("the disk is full")

    command = f"sleep {SLEEP} >/dev/null 2>&1 & echo full; exit 1"
    for _ in range(5):
        outcomes = execute(nodes, ALL, command, on_output=stop)
        assert running(str(SLEEP)) == []
        assert {(o.problem, o.exit_code, o.fate) for o in outcomes.values()} == {
            ("the disk is full", None, Fate.STOPPED)
        }


def test_more_commands_than_sshd_takes_are_refused_in_words(frail: Nodes) -> None:
    frail.kill("frail1")
    frail.start("frail1", more="MaxSessions 1")
    frail.open(["frail1"])
    thread = threading.Thread(target=execute, args=(frail, ["frail1"], "sleep 1"))
    thread.start()
    time.sleep(0.4)
    outcome = execute(frail, ["frail1"], "true")["frail1"]
    thread.join()
    assert outcome.fate is Fate.UNREACHABLE
    assert "would not start one more command" in outcome.problem
    assert "MaxSessions" in outcome.hint


def test_nothing_is_left_open(nodes: Nodes) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    execute(nodes, ALL, "cat", stdin=b"x")
    execute(nodes, ALL, "sleep 5", timeout_s=0.1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
