"""Receivers that are not there: bytes on a pseudo-terminal, at a speed that the reader must find."""

from __future__ import annotations

import os
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


def sampled(data: bytes, sent_baud: int, read_baud: int) -> bytes:
    """Return what a UART at one speed makes of bytes sent at another: it samples where it takes a bit to be.

    8N1: a start bit (0), eight bits, the lowest first, a stop bit (1). Where that is 0 the framing is wrong: the byte
    is given out all the same, as Linux does, and the next start is looked for where the wire is high again.
    """
    if sent_baud == read_baud:
        return data
    wire = [bit for byte in data for bit in (0, *((byte >> n) & 1 for n in range(8)), 1)]
    length = len(wire) / sent_baud
    out = bytearray()

    def level(at: float) -> int:
        place = int(at * sent_baud)
        return wire[place] if place < len(wire) else 1

    at, step = 0.0, 1 / read_baud / 8
    while at < length:
        if level(at):
            at += step
            continue
        bits = [level(at + (n + 1.5) / read_baud) for n in range(9)]
        out.append(sum(bit << n for n, bit in enumerate(bits[:8])))
        at += 9.5 / read_baud
        while at < length and not level(at):
            at += step
    return bytes(out)


@contextmanager
def receiver(
    says: Callable[[], bytes] | bytes, baud: Callable[[], int] | int | None = None, every_s: float = 0.25
) -> Iterator[str]:
    """Give the path of a port where a receiver says something again and again; with `baud`, at that speed only."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    stop = threading.Event()

    def speak() -> None:
        while not stop.wait(every_s):
            data = says() if callable(says) else says
            if baud is not None:
                sent = baud() if callable(baud) else baud
                number = termios.tcgetattr(master)[4]
                read = next(
                    int(n[1:])
                    for n in dir(termios)
                    if n[0] == "B" and n[1:].isdigit() and getattr(termios, n) == number
                )
                data = sampled(data, sent, read) if read else b""
            with suppress(BlockingIOError, OSError):
                os.write(master, data)

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        stop.set()
        thread.join(5)
        with suppress(OSError):
            os.close(slave)
        with suppress(OSError):
            os.close(master)


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False
