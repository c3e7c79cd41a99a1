"""A speed is taken on evidence alone: never on noise, whatever the speeds, and never without saying what was seen."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pibramble.console import autobaud, breaks, profiles
from pibramble.console.autobaud import SPEEDS, AutobaudError, Sample, judge
from pibramble.console.messages import ErrorCounts
from pibramble.console.model import Enter, Parity, Settings
from pibramble.errors import UsageError
from tests.unit.console.uart import read_at
from tests.unit.console.wires import DeviceWire

PROMPTS = profiles.load("cisco-ios").prompts

TEXTS = (
    b"\r\nSystem Bootstrap, Version 12.2(8r)T2, RELEASE SOFTWARE (fc1)\r\nTAC:Home:SW:IOS:Specials for info\r\n",
    b"[    0.000000] Booting Linux on physical CPU 0x0\r\n[    0.000000] Linux version 6.12.47+rpt-rpi-v6\r\n",
    b"\r\nsw1>\r\nsw1>\r\nsw1>\r\nsw1>\r\n",
    b"UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUU",
    b"................................................................",
    bytes(range(32, 127)) * 3,
)


def sample(text: bytes, sent: Settings, read: Settings, *, counted: bool = True) -> Sample:
    got = read_at(text, sent, read)
    return Sample(read, got.data, got.framing_errors if counted else None, got.breaks)


@pytest.mark.parametrize("baud", SPEEDS)
@pytest.mark.parametrize("text", [*TEXTS[:3], TEXTS[5]])
def test_the_right_speed_is_taken(baud: int, text: bytes) -> None:
    verdict = judge(sample(text, Settings(baud), Settings(baud)), PROMPTS)
    assert verdict.accepted, verdict.evidence
    assert "100% printable, " in verdict.evidence


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("sent", [300, 1200, *SPEEDS, 230_400])
@pytest.mark.parametrize("read", SPEEDS)
def test_no_other_speed_is_ever_taken(sent: int, read: int, *, counted: bool) -> None:
    if sent == read:
        return
    for text in TEXTS:
        verdict = judge(sample(text, Settings(sent), Settings(read), counted=counted), PROMPTS)
        assert not verdict.accepted, f"{text!r} at {sent}: {verdict.evidence}"


@given(st.binary(min_size=autobaud.ENOUGH_BYTES, max_size=200))
def test_random_bytes_are_taken_only_when_they_are_text(noise: bytes) -> None:
    verdict = judge(Sample(Settings(), noise), PROMPTS)
    text = sum(32 <= byte < 127 or byte in b"\r\n\t\b\a" for byte in noise) / len(noise)
    assert not verdict.accepted or text > 0.5 or bytes(b & 0x7F for b in noise) != noise


def test_a_prompt_is_enough_however_short_the_answer() -> None:
    verdict = judge(Sample(Settings(), b"\r\nsw1>", 0), PROMPTS)
    assert verdict.accepted
    assert verdict.evidence == '9600 8N1: 6 bytes, 100% printable, 1 line ends, 0 framing errors, the prompt "sw1>"'


def test_a_few_bytes_without_a_prompt_are_too_few() -> None:
    verdict = judge(Sample(Settings(), b"ok\r\n"), PROMPTS)
    assert not verdict.accepted
    assert "too few to tell" in verdict.evidence


def test_framing_errors_speak_against_what_looks_like_text() -> None:
    assert not judge(Sample(Settings(), TEXTS[0], framing_errors=20), PROMPTS).accepted


@pytest.mark.parametrize("parity", [Parity.EVEN, Parity.ODD])
def test_seven_bits_with_parity_are_known_by_their_top_bit(parity: Parity) -> None:
    seven = Settings(9600, 7, parity)
    verdict = judge(sample(TEXTS[0], seven, Settings()), PROMPTS)
    assert (verdict.accepted, verdict.settings) == (True, seven)
    assert f"every top bit is the {parity} parity" in verdict.evidence


class Console(DeviceWire):
    """A device with a speed of its own, behind an adapter that can be set to any."""

    def __init__(self, own: Settings, *, talks: bytes = b"", echoes: bytes = b"\r\nsw1>", counts: bool = True) -> None:
        super().__init__()
        self.own, self.now, self.tried = own, Settings(), list[Settings]()
        self._talks, self._echoes, self._known = talks, echoes, counts
        self._errors = self._breaks = 0

    def _print(self, text: bytes) -> None:
        got = read_at(text, self.own, self.now)
        self._errors += got.framing_errors
        self.say(got.data)

    async def change(self, settings: Settings) -> None:
        self.now = settings
        self.tried.append(settings)
        if self._talks:
            self._print(self._talks)

    async def write(self, data: bytes) -> None:
        await super().write(data)
        heard = read_at(data, self.now, self.own)
        self._breaks += heard.breaks
        if heard.data == b"\r" and not heard.framing_errors:
            self._print(self._echoes)

    async def counts(self) -> ErrorCounts:
        return ErrorCounts(self._known, self._errors if self._known else 0)


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LISTEN_SECONDS", "PASSIVE_SECONDS", "ANSWER_SECONDS", "_SLICE_SECONDS"):
        monkeypatch.setattr(autobaud, name, 0.02)


@pytest.mark.parametrize("baud", SPEEDS)
@pytest.mark.parametrize("counts", [True, False])
def test_a_silent_device_is_found_by_its_answer_to_enter(baud: int, *, counts: bool) -> None:
    console = Console(Settings(baud), counts=counts)
    told: list[str] = []
    verdict = asyncio.run(autobaud.find(console, Settings(), PROMPTS, Enter.CR, tell=told.append))
    assert (verdict.settings, console.now) == (Settings(baud), Settings(baud))
    assert told[0] == "listening, 9600 8N1: nothing came"
    assert told[-1].startswith(f"Enter, {baud} 8N1: 6 bytes, 100% printable")
    assert console.sent == b"\r" * (SPEEDS.index(baud) + 1)


def test_a_device_that_talks_is_not_spoken_to() -> None:
    console = Console(Settings(57_600), talks=TEXTS[1])
    verdict = asyncio.run(autobaud.find(console, Settings(), PROMPTS))
    assert verdict.settings == Settings(57_600)
    assert console.sent == b""


def test_when_nothing_makes_sense_the_line_is_as_before_and_all_tries_are_told() -> None:
    console = Console(Settings(300))
    with pytest.raises(AutobaudError) as raised:
        asyncio.run(autobaud.find(console, Settings(19_200), PROMPTS))
    assert console.now == Settings(19_200)
    tries = raised.value.hint.splitlines()
    assert tries[0] == "listening, 19200 8N1: nothing came"
    assert [line.split(":")[0] for line in tries[1:6]] == [f"Enter, {baud} 8N1" for baud in SPEEDS]


@pytest.mark.parametrize("baud", SPEEDS)
def test_nuls_at_a_low_speed_are_breaks_to_the_device(baud: int) -> None:
    console = Console(Settings(baud))
    asyncio.run(breaks.send_nuls(console, Settings(baud), 0.25))
    assert console._breaks == breaks.nuls(0.25) == 8  # noqa: SLF001 (the device's own count)
    assert console.now == Settings(baud)


def test_a_line_that_is_slow_itself_is_refused() -> None:
    with pytest.raises(UsageError, match="takes no NUL at 300 baud"):
        asyncio.run(breaks.send_nuls(Console(Settings(300)), Settings(300), 0.25))
