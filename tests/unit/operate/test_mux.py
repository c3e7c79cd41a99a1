from __future__ import annotations

import os
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pibramble.errors import UnreachableError, UsageError
from pibramble.operate import mux
from tests.unit.operate.conftest import Nodes


def finish(session: mux.Session, timeout_s: float = 10) -> int:
    """Feed the session until it knows its exit code."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        select.select([session.fileno()], [], [], 0.1)
        code = session.feed()
        if code is not None:
            return code
    raise AssertionError("the session did not end")


def run(path: Path, command: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    """Run a command to its end, as a caller of this module would."""
    (in_read, in_write), (out_read, out_write), (err_read, err_write) = (os.pipe() for _ in range(3))
    os.write(in_write, stdin)
    os.close(in_write)
    with mux.Session.open(path, command, stdin=in_read, stdout=out_write, stderr=err_write) as session:
        for descriptor in (in_read, out_write, err_write):
            os.close(descriptor)
        code = finish(session)
        with os.fdopen(out_read, "rb") as out, os.fdopen(err_read, "rb") as err:
            return code, out.read(), err.read()


@contextmanager
def silent(path: Path, command: str) -> Iterator[mux.Session]:
    """Open a session whose input and output are nothing."""
    null = os.open(os.devnull, os.O_RDWR)
    with mux.Session.open(path, command, stdin=null, stdout=null, stderr=null) as session:
        os.close(null)
        yield session


@contextmanager
def impostor(path: Path, answer: bytes) -> Iterator[Path]:
    """Listen at `path`, take what comes, say `answer` and hang up."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(answer)
                time.sleep(0.05)

        thread = threading.Thread(target=serve)
        thread.start()
        yield path
        thread.join()


def packet(kind: int, *numbers: int) -> bytes:
    body = struct.pack(f">{1 + len(numbers)}I", kind, *numbers)
    return struct.pack(">I", len(body)) + body


HELLO = packet(1, 4)


def test_output_input_and_exit_code_pass(nodes: Nodes) -> None:
    assert run(nodes.socket("zero1"), "cat; echo err >&2; exit 7", b"given") == (7, b"given", b"err\n")


def test_commands_keep_every_byte(nodes: Nodes) -> None:
    odd = "a\tb 'c' \"d\" $e \udcff ü"
    command = f"printf %s '{odd.replace(chr(39), chr(39) + chr(92) + chr(39) + chr(39))}'"
    assert run(nodes.socket("zero1"), command)[1] == odd.encode(errors="surrogateescape")


def test_many_sessions_share_a_connection(nodes: Nodes) -> None:
    with ExitStack() as stack:
        commands = [f"sleep 0.2; exit {n}" for n in range(8)]
        sessions = [stack.enter_context(silent(nodes.socket("zero2"), command)) for command in commands]
        assert [finish(session) for session in sessions] == list(range(8))


@pytest.mark.skipif(os.getuid() != 0, reason="sshd hangs up when it may not give a terminal to the tty group")
def test_a_terminal_is_one(nodes: Nodes) -> None:
    leader, follower = os.openpty()
    with mux.Session.open(
        nodes.socket("zero1"), "tty && stty size", stdin=follower, stdout=follower, stderr=follower, tty=True
    ) as session:
        assert finish(session) == 0
        assert not session.tty_failed
    assert b"/dev/pts/" in os.read(leader, 1000)
    os.close(leader)
    os.close(follower)


def test_a_command_that_a_signal_ends_returns_what_ssh_returns(nodes: Nodes) -> None:
    ssh = subprocess.run([*nodes.interactive("zero1"), "kill -KILL $$"], capture_output=True, check=False)
    with silent(nodes.socket("zero1"), "kill -KILL $$") as session:
        assert finish(session) == ssh.returncode == mux.SIGNALLED
        assert session.signalled


def test_a_command_as_long_as_linux_takes_passes_and_a_longer_one_is_refused(nodes: Nodes) -> None:
    fill = mux.COMMAND_LIMIT - len("true ")
    assert run(nodes.socket("zero1"), "true " + "x" * fill)[0] == 0
    with pytest.raises(mux.CommandTooLongError, match="bytes long"):
        run(nodes.socket("zero1"), "true " + "x" * (fill + 1))


def test_a_nul_byte_is_refused(nodes: Nodes) -> None:
    with pytest.raises(UsageError, match="NUL"):
        run(nodes.socket("zero1"), "echo a\0b")


def test_a_socket_with_a_very_long_path_is_reached(nodes: Nodes, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    (folder / "mux").symlink_to(nodes.socket("zero1"))
    assert len(str(folder)) > 108
    assert mux.alive(folder / "mux")
    assert run(folder / "mux", "echo far")[1] == b"far\n"


def test_alive_tells_a_master_from_everything_else(nodes: Nodes, tmp_path: Path) -> None:
    assert mux.alive(nodes.socket("zero1"))
    assert not mux.alive(tmp_path / "missing")
    (tmp_path / "file").touch()
    assert not mux.alive(tmp_path / "file")
    with impostor(tmp_path / "impostor", b"SSH-2.0-OpenSSH_9.2\r\n"):
        assert not mux.alive(tmp_path / "impostor")


def test_a_master_that_was_killed_is_not_alive(frail: Nodes) -> None:
    frail.open(["frail1"])
    os.kill(frail.master_pid("frail1"), signal.SIGKILL)
    time.sleep(0.1)
    assert frail.socket("frail1").is_socket()
    assert not mux.alive(frail.socket("frail1"))
    assert not mux.listening(frail.socket("frail1"))


def test_a_missing_socket_is_no_connection(tmp_path: Path) -> None:
    with pytest.raises(mux.NotConnectedError, match="no open connection"):
        run(tmp_path / "missing", "true")


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", mux.ProtocolError, "is no ssh master"),
        (b"\0\0\0\2xx", mux.ProtocolError, "is no ssh master"),
        (packet(1), mux.ProtocolError, "is no ssh master"),
        (packet(99, 4), mux.ProtocolError, "is no ssh master"),
        (packet(1, 5), mux.ProtocolError, "speaks version 5"),
        (b"", mux.NotConnectedError, "hung up"),
        (HELLO, mux.NotConnectedError, "before the command started"),
        (HELLO + packet(0x80000003, 1, 0), mux.RefusedError, "would not start"),
    ],
)
def test_a_peer_that_misbehaves_is_refused_in_words(
    tmp_path: Path, answer: bytes, error: type[UnreachableError], says: str
) -> None:
    with (
        impostor(tmp_path / "s", answer) as path,
        silent(path, "true") as session,
        pytest.raises(error, match=says),
    ):
        finish(session)


def test_a_connection_that_is_lost_in_the_middle_is_told(frail: Nodes) -> None:
    frail.open(["frail1"])
    with silent(frail.socket("frail1"), "sleep 60") as session:
        while not session.opened:
            session.feed()
        frail.kill("frail1")
        with pytest.raises(mux.ConnectionGoneError, match="lost while the command ran"):
            finish(session)


def test_packets_that_arrive_in_pieces_are_put_together(tmp_path: Path) -> None:
    said = HELLO + packet(0x80000006, 1, 0) + packet(0x80000008, 0) + packet(0x80000004, 0, 42)
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    session = mux.Session(tmp_path / "s", ours)
    for byte in said[:-1]:
        theirs.sendall(bytes([byte]))
        assert session.feed() is None
    theirs.sendall(said[-1:])
    assert session.feed() == 42
    assert session.opened
    assert session.tty_failed
    session.close()
    theirs.close()
