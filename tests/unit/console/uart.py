"""What a UART reads when the other one sends at another speed: the wire's levels, sampled as a UART does."""

from __future__ import annotations

import attrs

from pibramble.console.model import Parity, Settings


@attrs.frozen
class Read:
    """What came out of the receiver."""

    data: bytes
    framing_errors: int
    breaks: int


def _levels(data: bytes, settings: Settings) -> list[int]:
    """Return the line's level, bit by bit of the sender."""
    levels = [1] * 4
    for byte in data:
        bits = [byte >> place & 1 for place in range(settings.data_bits)]
        parity = [] if settings.parity is Parity.NONE else [sum(bits) % 2 ^ (settings.parity is Parity.ODD)]
        levels += [0, *bits, *parity, *[1] * settings.stop_bits]
    return levels + [1] * 40


def read_at(data: bytes, sent: Settings, read: Settings) -> Read:
    """Return what a receiver with the settings `read` makes of `data`, which were sent with the settings `sent`."""
    levels = _levels(data, sent)
    width = sent.baud / read.baud  # of a receiver's bit, in the sender's bits

    def level(at: float) -> int:
        return levels[min(int(at), len(levels) - 1)]

    out, errors, breaks, at = bytearray(), 0, 0, 0.0
    while at < len(levels) - 1:
        if level(at):
            at = _next_fall(levels, at)
            continue
        middles = [at + (0.5 + bit) * width for bit in range(1 + read.data_bits + (read.parity is not Parity.NONE) + 1)]
        if level(middles[0]):  # a spike, no start bit
            at = float(int(at) + 1)
            continue
        bits = [level(middle) for middle in middles[1 : 1 + read.data_bits]]
        byte = sum(bit << place for place, bit in enumerate(bits))
        out.append(byte)
        at = middles[-1]
        if not level(at):
            errors += 1
            breaks += byte == 0
            while at < len(levels) - 1 and not level(at):  # until the line is idle again
                at = float(int(at) + 1)
        else:
            at = _next_fall(levels, at)
    return Read(bytes(out), errors, breaks)


def _next_fall(levels: list[int], at: float) -> float:
    place = int(at) + 1
    while place < len(levels) - 1 and levels[place]:
        place += 1
    return float(place)
