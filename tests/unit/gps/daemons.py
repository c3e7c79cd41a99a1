"""Debian's own gpsd, at work on a pseudo-terminal, and chronyd: unpacked by `scripts/setup gps`, not installed."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pibramble.gps.framing import sentence

PROGRAMS = Path(__file__).parents[3] / ".cache" / "gps" / "bin"
GPSD = PROGRAMS / "gpsd"

needs_gpsd = pytest.mark.skipif(not GPSD.exists(), reason="`scripts/setup gps` brings gpsd")


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def gpsd(*devices: str) -> Iterator[int]:
    """Run gpsd on some devices and give the port it listens at."""
    port = free_port()
    control = Path(tempfile.mkdtemp(prefix="pibramble-gpsd-")) / "control"  # without a device it wants one
    argv = [str(GPSD), "-N", "-n", "-S", str(port), "-F", str(control), *devices]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, f"gpsd ended with {process.returncode}"
                assert time.monotonic() < until, "gpsd does not listen"
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)
        control.unlink(missing_ok=True)
        control.parent.rmdir()


@contextmanager
def chronyd(folder: Path) -> Iterator[Path]:
    """Run chronyd, which sets no clock (-x), with a socket of its own, and give the folder of its chronyc."""
    if not (PROGRAMS / "chronyd").exists():
        pytest.skip("`scripts/setup gps` brings chronyd")
    if os.getuid() != 0:
        pytest.skip("chronyd wants to be root")
    run = folder / "run"
    run.mkdir(mode=0o750)
    lines = [
        "local stratum 10", "cmdport 0", "port 0", f"bindcmdaddress {run}/chronyd.sock", f"pidfile {run}/chronyd.pid",
        f"driftfile {run}/drift", f"refclock SOCK {run}/gps.sock refid GPS",
    ]  # fmt: skip
    (folder / "chrony.conf").write_text("\n".join(lines) + "\n")
    argv = [str(PROGRAMS / "chronyd"), "-d", "-x", "-U", "-u", "root", "-f", str(folder / "chrony.conf")]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    programs = folder / "bin"
    programs.mkdir()
    (programs / "chronyc").write_text(f'#!/bin/sh\nexec {PROGRAMS}/chronyc -h {run}/chronyd.sock "$@"\n')
    (programs / "chronyc").chmod(0o755)
    try:
        until = time.monotonic() + 10
        while not (run / "chronyd.sock").exists():
            assert process.poll() is None, "chronyd ended"
            assert time.monotonic() < until
            time.sleep(0.05)
        yield programs
    finally:
        process.terminate()
        process.wait(10)


def answers(log: bytes) -> Iterator[bytes]:
    """Yield what gpsd takes of a log and what it answers to it, line by line, as in the .chk files of its own logs."""
    master, slave = os.openpty()
    try:
        with gpsd(os.ttyname(slave)) as port, socket.create_connection(("127.0.0.1", port)) as link:
            link.sendall(b'?WATCH={"enable":true,"json":true,"raw":1};\n')
            link.settimeout(0.02)
            _until_heard(master, link)
            rest = b""
            for line in [*log.splitlines(keepends=True), *[b""] * 50]:
                os.write(master, line)
                with suppress(TimeoutError):
                    rest += link.recv(1 << 20)
                *lines, rest = rest.split(b"\n")
                yield from (said for one in lines if (said := one.strip()) and not said.startswith(b"$GPTXT"))
    finally:
        os.close(slave)
        os.close(master)


def _until_heard(master: int, link: socket.socket) -> None:
    """Send a sentence that says nothing until gpsd, which tries speeds and throws away what came meanwhile, has one."""
    heard = b""
    until = time.monotonic() + 20
    while b"$GPTXT" not in heard:
        assert time.monotonic() < until, "gpsd hears nothing"
        os.write(master, sentence("GPTXT,01,01,02,begin"))
        with suppress(TimeoutError):
            heard += link.recv(1 << 20)
        time.sleep(0.05)
