"""Finds a line's speed: first by listening, then by pressing Enter and looking at the answer; says what it saw.

A speed counts only on what was read at it: mostly printable, in lines, without framing errors where the driver counts
them, or ended by a prompt that the profile knows. Judging is pure (`judge`); `find` does it on a line.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs

from pibramble.console.conversation import Conversation, Wire, as_shown
from pibramble.console.messages import ErrorCounts
from pibramble.console.model import Enter, Parity, Settings
from pibramble.console.sequences import readable
from pibramble.errors import PibrambleError

SPEEDS = (9600, 115_200, 38_400, 19_200, 57_600)  # in the order of how often consoles have them

LISTEN_SECONDS = 3.0
PASSIVE_SECONDS = 1.0  # at each other speed, if there was noise at the first
ANSWER_SECONDS = 1.5  # after Enter
_SLICE_SECONDS = 0.25

ENOUGH_BYTES = 16
_PRINTABLE = 0.97
_ERRORS = 0.01
_DIFFERENT = 6  # characters: noise at a wrong speed is often one or two, over and over
_LONGEST_LINE = 400
_PROMPT_PRINTABLE = 0.9


class AutobaudError(PibrambleError):
    """No speed gave anything that makes sense."""


class Tunable(Wire, Protocol):
    """A wire whose speed can be changed."""

    async def change(self, settings: Settings) -> None:
        """Change speed and framing."""
        ...

    async def counts(self) -> ErrorCounts:
        """Return what the driver has counted."""
        ...


@attrs.frozen
class Sample:
    """What was read at one speed."""

    settings: Settings
    data: bytes
    framing_errors: int | None = None  # None: the driver does not count them
    breaks: int = 0


@attrs.frozen
class Verdict:
    """What a sample says about its speed."""

    settings: Settings  # the framing may be another than the sample's
    accepted: bool
    evidence: str  # "9600 8N1: 312 bytes, 100 % printable, 7 lines, prompt "sw1>""


def judge(sample: Sample, prompts: Sequence[str]) -> Verdict:
    """Tell whether a sample was read at the right speed, and why."""
    count = len(sample.data)
    if not count:
        return Verdict(sample.settings, accepted=False, evidence=f"{sample.settings}: nothing came")
    framed = _seven_bits(sample)
    data = bytes(byte & 0x7F for byte in sample.data) if framed is not sample.settings else sample.data
    share, different = _printable(data), len(set(data))
    text = as_shown(data)
    lines = text.split("\n")
    prompt = next((lines[-1] for pattern in prompts if re.search(pattern, lines[-1])), None)
    longest = max(map(len, lines))
    errors = (sample.framing_errors or 0) / count

    clean = share >= _PRINTABLE and errors <= _ERRORS and different >= _DIFFERENT and longest <= _LONGEST_LINE
    accepted = (clean and count >= ENOUGH_BYTES) or (
        prompt is not None and share >= _PROMPT_PRINTABLE and errors <= _ERRORS
    )

    seen = [f"{count} byte{'s' if count > 1 else ''}", f"{share:.0%} printable"]
    if len(lines) > 1:
        seen.append(f"{len(lines) - 1} line ends")
    if sample.framing_errors is not None:
        seen.append(f"{sample.framing_errors} framing errors")
    if framed is not sample.settings:
        seen.append(f"every top bit is the {framed.parity} parity of the others")
    if prompt is not None:
        seen.append(f'the prompt "{prompt.strip()}"')
    if count < ENOUGH_BYTES and not accepted:
        seen.append("too few to tell")
    return Verdict(framed, accepted=accepted, evidence=f"{framed}: {', '.join(seen)}")


def _printable(data: bytes) -> float:
    """Return the share of bytes that a device prints on purpose; UTF-8 counts."""
    text = readable(data).decode("utf-8", errors="surrogateescape")
    good = sum(len(sign.encode()) for sign in text if sign.isprintable() or sign in "\r\n\t\b\a")
    return good / max(len(text.encode("utf-8", errors="surrogateescape")), 1)


def _seven_bits(sample: Sample) -> Settings:
    """Return the settings of seven bits with parity that was read as eight bits, or the sample's own."""
    settings = sample.settings
    if settings.data_bits != 8 or settings.parity is not Parity.NONE or len(sample.data) < ENOUGH_BYTES:  # noqa: PLR2004
        return settings
    ones = {byte.bit_count() % 2 for byte in sample.data}
    if len(ones) != 1 or all(byte < 0x80 for byte in sample.data):  # noqa: PLR2004
        return settings
    return attrs.evolve(settings, data_bits=7, parity=Parity.ODD if ones == {1} else Parity.EVEN)


async def find(
    line: Tunable,
    now: Settings,
    prompts: Sequence[str],
    enter: Enter = Enter.CR,
    *,
    tell: Callable[[str], None] = lambda _evidence: None,
) -> Verdict:
    """Return the settings that the device has, and leave the line at them.

    `tell` hears the evidence of each try. Raises AutobaudError when nothing made sense; the line then has its former
    settings.
    """
    tries: list[str] = []
    kept = False
    talk = Conversation(line, enter)

    async def tried(settings: Settings, seconds: float, *, press: bool) -> Verdict:
        verdict = await _try(line, talk, settings, prompts, seconds, press=press)
        how = "Enter" if press else "listening"
        tries.append(f"{how}, {verdict.evidence}")
        tell(tries[-1])
        return verdict

    try:
        verdict = await tried(now, LISTEN_SECONDS, press=False)
        others = [attrs.evolve(now, baud=baud) for baud in SPEEDS if baud != now.baud]
        talks = "nothing came" not in verdict.evidence
        for settings in others if talks and not verdict.accepted else []:
            if (verdict := await tried(settings, PASSIVE_SECONDS, press=False)).accepted:
                break
        for baud in SPEEDS if not verdict.accepted else []:
            if (verdict := await tried(attrs.evolve(now, baud=baud), ANSWER_SECONDS, press=True)).accepted:
                break
        if not verdict.accepted:
            raise AutobaudError(
                "no speed gave anything that makes sense",
                hint="\n".join((*tries, "is it on, and wired as a console (rolled cable, TX on RX)?")),
            )
        await line.change(verdict.settings)
        kept = True
        return verdict
    finally:
        if not kept:
            await line.change(now)


async def _try(  # noqa: PLR0913 (one try's knobs)
    line: Tunable, talk: Conversation, settings: Settings, prompts: Sequence[str], seconds: float, *, press: bool
) -> Verdict:
    """Read at one speed until what has come is enough, or the time is over."""
    await line.change(settings)
    if press:
        await talk.hush(0.05, 0.5)  # what was read at the speed before
        await talk.send("\n")
    before = await line.counts()
    data = b""
    began = time.monotonic()
    verdict = judge(Sample(settings, data), prompts)
    while time.monotonic() - began < seconds:
        data += await talk.gather(_SLICE_SECONDS)
        counts = await line.counts()
        errors = counts.framing_errors - before.framing_errors if counts.known else None
        verdict = judge(Sample(settings, data, errors, counts.breaks - before.breaks), prompts)
        if verdict.accepted and (press or len(data) >= 4 * ENOUGH_BYTES):
            break
    return verdict
