"""The speed and the language of a port, found by listening at one speed after the other.

Bytes arrive at any speed, but sentences with right checksums arrive at one: that is the proof. Nothing is sent: a port
may turn out to be a router's console.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import attrs

from pibramble.errors import PibrambleError
from pibramble.gps import port
from pibramble.gps.protocols import Heard, Protocol, Sound, listen
from pibramble.progress import Progress

LISTEN_S = 2.2  # receivers speak once a second: two rounds and the pause between
_ENOUGH = 4  # right frames: no chance any more
_MOST = 65_536  # bytes kept of an attempt
_SILENT_SPEEDS = 2  # a line that is silent at two speeds is so at all


@attrs.frozen
class Attempt:
    """What was heard at one speed."""

    baud: int
    heard: Heard


@attrs.frozen
class Detection:
    """What was heard of a port, speed by speed."""

    port: str
    attempts: tuple[Attempt, ...]

    @property
    def best(self) -> Attempt | None:
        """Return the attempt that heard a receiver, else the one that heard what a person can read; None: neither."""
        receivers = [a for a in self.attempts if a.heard.sound is Sound.RECEIVER]
        if receivers:
            return max(receivers, key=lambda attempt: sum(attempt.heard.frames.values()))
        readable = [a for a in self.attempts if a.heard.sound in {Sound.CONSOLE, Sound.TEXT}]
        return max(readable, key=lambda attempt: attempt.heard.printable) if readable else None

    @property
    def baud(self) -> int | None:
        """Return the receiver's speed."""
        best = self.best
        return best.baud if best and best.heard.sound is Sound.RECEIVER else None

    @property
    def protocol(self) -> Protocol | None:
        """Return the receiver's language."""
        return self.best.heard.protocol if self.best else None


def detect(path: str, progress: Progress, speeds: Sequence[int] = port.SPEEDS, listen_s: float = LISTEN_S) -> Detection:
    """Listen at each speed until a receiver is heard. Raises what opening a port does."""
    attempts: list[Attempt] = []
    # Opened once: between two speeds nobody else gets in, and an adapter's DTR does not drop.
    with (
        port.opened(path, speeds[0]) as descriptor,
        progress.step(f"listening to {path}", len(speeds), "speeds") as step,
    ):
        for baud in speeds:
            step.advance(0, f"{baud} baud")
            port.set_speed(descriptor, baud, path)
            attempts.append(Attempt(baud, _listen(descriptor, path, listen_s)))
            step.advance()
            if attempts[-1].heard.sound is Sound.RECEIVER:
                break
            silent = [attempt.heard.sound is Sound.SILENT for attempt in attempts]
            if len(silent) == _SILENT_SPEEDS and all(silent):
                break
    return Detection(path, tuple(attempts))


def _listen(descriptor: int, path: str, listen_s: float) -> Heard:
    data = b""
    until = time.monotonic() + listen_s
    for block in port.blocks(descriptor, path, listen_s, until):
        data = (data + block)[-_MOST:]
        if block.endswith(b"\n") and sum((heard := listen(data)).frames.values()) >= _ENOUGH:
            return heard
    return listen(data)


def found(detection: Detection) -> Attempt:
    """Return the receiver's attempt. Raises PibrambleError that says what was heard instead."""
    best = detection.best
    if best and best.heard.sound is Sound.RECEIVER:
        return best
    if not best:
        sounds = {attempt.heard.sound for attempt in detection.attempts}
        silent = sounds == {Sound.SILENT}
        what = "nothing comes from it" if silent else "it makes noise at every speed, and no sense"
        raise PibrambleError(
            f"{detection.port}: {what}", hint=f"`pibramble gps doctor {detection.port}` says what may help"
        )
    raise PibrambleError(
        f"{detection.port} is no receiver: it sends {best.heard.sound} at {best.baud} baud",
        hint=f"`pibramble gps doctor {detection.port}` says more",
    )
