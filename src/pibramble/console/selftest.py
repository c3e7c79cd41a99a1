"""Tests a serial adapter whose TX and RX are joined: which speeds carry bytes, and whether a break arrives.

Joined means a wire between pins 2 and 3 of a DB9, or between TX and RX of a 3.3 V adapter. A break that leaves comes in
again: as a count of the driver, or as a NUL.
"""

from __future__ import annotations

import os
import random
import select
import time
from collections.abc import Callable, Iterator
from enum import StrEnum

import attrs

from pibramble.console import modem
from pibramble.console.device import DeviceError
from pibramble.console.model import Settings
from pibramble.console.tty import Tty

SPEEDS = (300, 1200, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600)
BREAK_SECONDS = 0.3

_LONGEST_TEST_SECONDS = 1.0  # of sending, at slow speeds
_MOST_BYTES = 2048
_PATIENCE_SECONDS = 1.0  # USB adapters hand bytes over in packets
_QUIET_SECONDS = 0.1
_LATEST_SECONDS = 0.25  # after a break has ended, its NUL should be here


class Result(StrEnum):
    """How a test went."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "cannot tell"


@attrs.frozen
class Finding:
    """One test."""

    name: str
    result: Result
    detail: str


def examine(
    path: str, *, speeds: tuple[int, ...] = SPEEDS, tell: Callable[[Finding], None] = lambda _: None
) -> tuple[Finding, ...]:
    """Run all tests. Raises DeviceError when the device cannot be opened, or is in use."""
    adapter = Tty(path, Settings())
    findings = []
    try:
        for finding in _tests(adapter, speeds):
            findings.append(finding)
            tell(finding)
    finally:
        adapter.close()
    return tuple(findings)


def pattern_bytes(baud: int) -> int:
    """Return how many bytes are sent at a speed."""
    return max(16, min(_MOST_BYTES, int(_LONGEST_TEST_SECONDS / Settings(baud).character_seconds)))


def _tests(adapter: Tty, speeds: tuple[int, ...]) -> Iterator[Finding]:
    joined = _carries(adapter, Settings())
    if joined.result is Result.BAD and "nothing came back" in joined.detail:
        hint = "TX and RX are not joined, or the adapter is dead"
        yield Finding("loop", Result.BAD, f"nothing came back at 9600 baud: {hint}")
        return
    for baud in speeds:
        yield _carries(adapter, Settings(baud))
    adapter.configure(Settings())
    yield _breaks(adapter)
    yield _lines(adapter)


def _carries(adapter: Tty, settings: Settings) -> Finding:
    """Send every byte value in a shuffled order, and compare."""
    name = f"{settings.baud} baud"
    try:
        adapter.configure(settings)
    except DeviceError:
        return Finding(name, Result.BAD, "the driver does not take it")
    _drain(adapter)
    count = pattern_bytes(settings.baud)
    sent = random.Random(settings.baud).randbytes(count)  # noqa: S311 (a test pattern)
    before = modem.counts(adapter.fileno())
    began = time.monotonic()
    came = _to_and_fro(adapter, sent, count * settings.character_seconds + _PATIENCE_SECONDS)
    seconds = time.monotonic() - began
    after = modem.counts(adapter.fileno())
    errors = ""
    if before and after:
        new = after.since(before)
        errors = f", {new.framing_errors} framing errors, {new.overruns + new.buffer_overruns} overruns"
    if not came:
        return Finding(name, Result.BAD, f"nothing came back{errors}")
    if came != sent:
        wrong = next((at for at, (one, other) in enumerate(zip(sent, came, strict=False)) if one != other), len(came))
        return Finding(name, Result.BAD, f"{len(came)} of {count} bytes came back, wrong from byte {wrong} on{errors}")
    carried = count / seconds
    wire = 1 / settings.character_seconds
    pace = "" if carried <= wire * 1.1 else "; faster than any wire: this is no real UART"
    return Finding(
        name, Result.GOOD, f"{count} bytes there and back, {carried:,.0f} of {wire:,.0f} bytes/s{errors}{pace}"
    )


def _breaks(adapter: Tty) -> Finding:
    """Hold the line low, and see whether it comes back as a count or a NUL, and when."""
    name = f"break of {BREAK_SECONDS * 1000:.0f} ms"
    _drain(adapter)
    before = modem.counts(adapter.fileno())
    began = time.monotonic()
    try:
        adapter.hold_low(low=True)
        time.sleep(BREAK_SECONDS)
        adapter.hold_low(low=False)
    except DeviceError as error:
        return Finding(name, Result.BAD, f"{error.message}; NULs at a low speed may do (`console break --nuls`)")
    held = time.monotonic() - began
    came = _read(adapter, 1, _LATEST_SECONDS)
    after = modem.counts(adapter.fileno())
    counted = after.since(before).breaks if before and after else 0
    if counted or came.startswith(b"\0"):
        how = f"counted {counted}" if counted else "seen as a NUL"
        return Finding(name, Result.GOOD, f"held low for {held * 1000:.0f} ms, {how}")
    what = "no NUL and no count" if after else "no NUL, and the driver counts none"
    return Finding(name, Result.BAD, f"asked for {held * 1000:.0f} ms, but {what} came back")


def _lines(adapter: Tty) -> Finding:
    """Say which modem lines answer RTS and DTR, as joined ones do."""
    if modem.lines(adapter.fileno()) is None:
        return Finding("modem lines", Result.UNKNOWN, "the driver has none")
    answers = []
    for switched, watched in ((modem.Lines.RTS, modem.Lines.CTS), (modem.Lines.DTR, modem.Lines.DSR | modem.Lines.CD)):
        modem.switch(adapter.fileno(), switched, on=False)
        time.sleep(_QUIET_SECONDS)
        off = modem.lines(adapter.fileno()) or modem.Lines(0)
        modem.switch(adapter.fileno(), switched, on=True)
        time.sleep(_QUIET_SECONDS)
        on = modem.lines(adapter.fileno()) or modem.Lines(0)
        follow = (on & ~off) & watched
        answers.append(
            f"{switched.name} is {'joined to ' + '+'.join(str(line.name) for line in follow) if follow else 'open'}"
        )
    return Finding("modem lines", Result.GOOD, ", ".join(answers))


def _to_and_fro(adapter: Tty, data: bytes, seconds: float) -> bytes:
    """Send and read at once: more than the kernel's buffer would not come back otherwise."""
    came, rest, deadline = bytearray(), memoryview(data), time.monotonic() + seconds
    while len(came) < len(data) and (left := deadline - time.monotonic()) > 0:
        readable, writable, _ = select.select([adapter], [adapter] if rest else [], [], left)
        if writable:
            rest = rest[adapter.write(rest[:64]) :]
        if readable:
            came += adapter.read()
    return bytes(came)


def _read(adapter: Tty, count: int, seconds: float) -> bytes:
    came, deadline = b"", time.monotonic() + seconds
    while len(came) < count and select.select([adapter], [], [], max(0, deadline - time.monotonic()))[0]:
        came += adapter.read()
    return came


def _drain(adapter: Tty) -> None:
    while select.select([adapter], [], [], _QUIET_SECONDS)[0]:
        if not os.read(adapter.fileno(), 65536):
            return
