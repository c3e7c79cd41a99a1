"""A machine of the world's, plugged into the network of the head's uplink: a namespace, joined by Ethernet frames."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAMESPACE = "pibramble-test-world"
ADDRESS = "10.0.2.50"
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000  # linux/if_tun.h
# QEMU's router is on the same wire and takes every packet for one to be routed: what it says of ours is not for us.
_ROUTERS, _SOURCE = bytes.fromhex("5255"), slice(6, 8)  # libslirp: 52:55 and its IPv4 address
_LENGTH = struct.Struct(">I")  # QEMU's -netdev stream: before each frame


@contextmanager
def plugged(wire: Path) -> Iterator[None]:
    """Plug the machine in while the block runs; needs root."""
    _ip("netns", "add", NAMESPACE)
    pump = subprocess.Popen(
        ["ip", "netns", "exec", NAMESPACE, sys.executable, "-m", "tests.emulator.world", str(wire)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert pump.stdout is not None
        assert pump.stdout.readline() == b"ready\n"
        inside("ip", "link", "set", "world0", "up")
        inside("ip", "address", "add", f"{ADDRESS}/24", "dev", "world0")
        yield
    finally:
        pump.kill()
        pump.wait()
        _ip("netns", "delete", NAMESPACE)


def inside(*argv: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command on the machine."""
    return subprocess.run(
        ["ip", "netns", "exec", NAMESPACE, *argv], capture_output=True, text=True, timeout=timeout_s, check=False
    )


def ping(address: str, *, count: int) -> str:
    """Return what ping says."""
    return inside("ping", "-c", str(count), "-W", "10", "-i", "2", address, timeout_s=120).stdout


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def main() -> None:
    """Carry frames between a TAP interface of this namespace and the wire."""
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH", b"world0", _IFF_TAP | _IFF_NO_PI))
    wire = socket.socket(socket.AF_UNIX)
    wire.connect(sys.argv[1])
    print("ready", flush=True)

    def outwards() -> None:
        while frame := os.read(tap, 65536):
            wire.sendall(_LENGTH.pack(len(frame)) + frame)

    threading.Thread(target=outwards, daemon=True).start()
    stream = wire.makefile("rb")
    while header := stream.read(_LENGTH.size):
        frame = stream.read(*_LENGTH.unpack(header))
        if frame[_SOURCE] == _ROUTERS:
            continue
        with suppress(OSError):  # the interface is not up yet
            os.write(tap, frame)


if __name__ == "__main__":
    main()
