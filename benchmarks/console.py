"""The console beside picocom and ser2net: throughput and keystroke round trip on a pty, and what 32 busy lines cost."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import socket
import subprocess
import tempfile
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

from common import PIBRAMBLE, Measured, Row, alone, alternate

from pibramble.console.messages import Attach, Frames, Kind, Take, data_frame, message_frame

_ROUNDS = 3
_POURED_BYTES = 16 << 20
_AHEAD_BYTES = 512 << 10
_KEYS = 300
_LINES, _VIEWERS = 32, 2
_BUSY_SECONDS = 15.0
_BYTES_PER_SECOND = 115_200 // 10  # 8N1: ten bits a byte
_PATIENCE_S = 60.0


class Device:
    """A pseudo-terminal whose far end is ours: a device that prints as fast as it is read, and echoes what is typed."""

    def __init__(self) -> None:
        """Make it."""
        self.far, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.far, False)
        self.path = os.ttyname(self._slave)

    def close(self) -> None:
        """Take it away."""
        os.close(self.far)
        os.close(self._slave)


class Contender:
    """A way from a device to somebody: both directions, as bytes."""

    def __init__(self, read: Callable[[], bytes], write: Callable[[bytes], object], fileno: int) -> None:
        """Take both directions, and what to wait on."""
        self.read, self.write, self.fileno = read, write, fileno


@contextlib.contextmanager
def _process(argv: list[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        argv, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGINT)
        child.wait(_PATIENCE_S)


@contextlib.contextmanager
def _on_terminal(argv: list[str], ready: bytes, **environment: str) -> Iterator[Contender]:
    """Run a program for people on a terminal of its own."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], argv, {**os.environ, **environment})  # noqa: S606 (no shell)
    try:
        said = b""
        while ready not in said:
            said += os.read(fd, 65536)
        os.set_blocking(fd, False)
        yield Contender(lambda: os.read(fd, 1 << 20), lambda data: os.write(fd, data), fd)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(fd)


@contextlib.contextmanager
def _broker(folder: Path, *devices: str, cores: set[int] | None = None) -> Iterator[tuple[Path, int]]:
    """Serve devices; give the socket and the broker's process."""
    argv = [PIBRAMBLE, "serve", *devices]
    with _process(argv, PIBRAMBLE_STATE=str(folder)) as child:
        if cores:
            os.sched_setaffinity(child.pid, cores)
        path = folder / "console" / "broker.sock"
        _until(path.exists)
        time.sleep(0.5)  # until the last line is opened
        yield path, child.pid


def _viewer(path: Path, port: str) -> tuple[socket.socket, Frames]:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))
    client.sendall(message_frame(Attach(port, "benchmark")))
    return client, Frames()


@contextlib.contextmanager
def _broker_socket(device: Device, folder: Path) -> Iterator[Contender]:
    with _broker(folder, device.path) as (path, _):
        client, frames = _viewer(path, f"pts{Path(device.path).name}")
        client.sendall(message_frame(Take()))
        time.sleep(0.5)
        client.settimeout(0)

        def read() -> bytes:
            return b"".join(content for kind, content in frames.feed(client.recv(1 << 20)) if kind is Kind.DATA)

        with client:
            with contextlib.suppress(BlockingIOError):
                read()
            yield Contender(read, lambda data: client.sendall(data_frame(data)), client.fileno())


@contextlib.contextmanager
def _broker_and_shell(device: Device, folder: Path) -> Iterator[Contender]:
    with _broker(folder, device.path):
        argv = [PIBRAMBLE, "console", f"pts{Path(device.path).name}"]
        with _on_terminal(argv, b"Ctrl-] q leaves", PIBRAMBLE_STATE=str(folder), TERM="xterm") as contender:
            time.sleep(0.5)
            yield contender


@contextlib.contextmanager
def _ser2net(device: Device, folder: Path) -> Iterator[Contender]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = folder / "ser2net.yaml"
    configuration.write_text(
        f"connection: &line\n  accepter: tcp,127.0.0.1,{port}\n  connector: serialdev,{device.path},115200n81,local\n"
    )
    with _process(["ser2net", "-n", "-c", str(configuration)]):
        client = socket.socket()
        _until(lambda: client.connect_ex(("127.0.0.1", port)) == 0)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        time.sleep(0.5)
        client.settimeout(0)
        with client:
            yield Contender(lambda: client.recv(1 << 20), client.sendall, client.fileno())


@contextlib.contextmanager
def _picocom(device: Device, _folder: Path) -> Iterator[Contender]:
    with _on_terminal(["picocom", "--baud", "115200", device.path], b"Terminal ready") as contender:
        time.sleep(0.5)
        yield contender


_CONTENDERS = {
    "pibramble's broker, by its socket": _broker_socket,
    "ser2net": _ser2net,
    "pibramble serve and console": _broker_and_shell,
    "picocom": _picocom,
}


def _until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not what():
        if time.monotonic() > deadline:
            message = "a contender did not start"
            raise RuntimeError(message)
        time.sleep(0.02)


@contextlib.contextmanager
def _wired(name: str) -> Iterator[tuple[Device, Contender]]:
    with (
        contextlib.closing(Device()) as device,
        tempfile.TemporaryDirectory(prefix="pibramble-bench-") as folder,
        _CONTENDERS[name](device, Path(folder)) as contender,
    ):
        yield device, contender


def _pour(name: str) -> float:
    """Return how long it takes until all that the device prints has arrived."""
    block = (b"the quick brown fox jumps over the lazy dog 0123456789\r\n" * 1200)[:65536]
    with _wired(name) as (device, contender):
        sent = arrived = 0
        began = time.perf_counter()
        while arrived < _POURED_BYTES:
            # A viewer that falls a MiB behind is shown the screen anew instead of all that went by: it is not let to.
            more = sent < _POURED_BYTES and sent - arrived < _AHEAD_BYTES
            writers = [device.far] if more else []
            readable, writable, _ = select.select([contender.fileno], writers, [], _PATIENCE_S)
            if not readable and not writable:
                message = f"{name}: {arrived:,} of {_POURED_BYTES:,} bytes arrived"
                raise RuntimeError(message)
            if writable:
                with contextlib.suppress(BlockingIOError):
                    sent += os.write(device.far, block[: _POURED_BYTES - sent])
            if readable:
                with contextlib.suppress(BlockingIOError):
                    arrived += len(contender.read())
        return time.perf_counter() - began


def _type(name: str) -> float:
    """Return the median time between a key and its echo, in seconds; the device echoes at once."""
    times = []
    with _wired(name) as (device, contender):
        for number in range(_KEYS):
            key = bytes((ord("a") + number % 26,))
            began = time.perf_counter()
            contender.write(key)
            select.select([device.far], [], [], _PATIENCE_S)
            os.write(device.far, os.read(device.far, 100))
            select.select([contender.fileno], [], [], _PATIENCE_S)
            with contextlib.suppress(BlockingIOError):
                contender.read()
            times.append(time.perf_counter() - began)
            time.sleep(0.002)
    return sorted(times)[len(times) // 2]


def _busy_share() -> float:
    """Return the share of one core, in per cent, that the broker takes for 32 lines at 115200 with two viewers each."""
    core = {max(os.sched_getaffinity(0))}
    with contextlib.ExitStack() as stack:
        devices = [stack.enter_context(contextlib.closing(Device())) for _ in range(_LINES)]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pibramble-bench-")))
        path, pid = stack.enter_context(_broker(folder, *(device.path for device in devices), cores=core))
        names = [f"pts{Path(device.path).name}" for device in devices]
        viewers = [stack.enter_context(_viewer(path, name)[0]) for name in names for _ in range(_VIEWERS)]
        before, began = _cpu_seconds(pid), time.perf_counter()
        sent, arrived = _keep_busy(devices, viewers)
        share = 100 * (_cpu_seconds(pid) - before) / (time.perf_counter() - began)
    wanted = sent * _LINES * _VIEWERS
    if arrived < 0.95 * wanted:
        message = f"of {wanted:,} bytes {arrived:,} arrived: this machine is too slow to measure it"
        raise RuntimeError(message)
    return share


def _keep_busy(devices: list[Device], viewers: list[socket.socket]) -> tuple[int, int]:
    """Let every device print at its speed, and every viewer read; return the bytes of one device and of all viewers."""
    poller = select.poll()
    for viewer in viewers:
        viewer.settimeout(0)
        poller.register(viewer, select.POLLIN)
    by_number = {viewer.fileno(): viewer for viewer in viewers}
    text = b"%CDP-4-NATIVE_VLAN_MISMATCH: Native VLAN mismatch discovered on GigabitEthernet0/1.\r\n" * 9
    began, sent, arrived = time.perf_counter(), 0, 0
    while (passed := time.perf_counter() - began) < _BUSY_SECONDS:
        due = int(passed * _BYTES_PER_SECOND) - sent
        for device in devices:
            with contextlib.suppress(BlockingIOError):
                os.write(device.far, text[:due])
        sent += min(due, len(text))
        for number, _ in poller.poll(0):
            arrived += len(by_number[number].recv(1 << 20))
        time.sleep(0.01)
    return sent, arrived


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure() -> list[Row]:
    """Return the table's rows."""
    poured = alternate({name: lambda name=name: _pour(name) for name in _CONTENDERS}, _ROUNDS)  # type: ignore[misc]
    typed = alternate({name: lambda name=name: _type(name) for name in _CONTENDERS}, _ROUNDS)  # type: ignore[misc]
    typed = {name: Measured(name, tuple(1000 * run for run in found.runs), "ms") for name, found in typed.items()}
    by_socket, ser2net, by_shell, picocom = _CONTENDERS
    added_ms = Measured("added", (typed[by_shell].median - typed[picocom].median,), "ms")
    megabytes = f"{_POURED_BYTES >> 20} MiB"
    return [
        Row(f"console: {megabytes} from a device to a socket", poured[by_socket], poured[ser2net], goal_ratio=1),
        Row(f"console: {megabytes} from a device to a terminal", poured[by_shell], poured[picocom]),
        Row("console: a key and its echo, by a socket", typed[by_socket], typed[ser2net]),
        Row("console: a key and its echo, at a terminal", typed[by_shell], typed[picocom]),
        Row("console: what broker and shell add to a key", added_ms, goal_most=1),
        Row(
            f"console: {_LINES} lines at 115200, {_VIEWERS} viewers each, of one core",
            Measured("broker", (_busy_share(),), "%"),
        ),
    ]


if __name__ == "__main__":
    alone(measure)
