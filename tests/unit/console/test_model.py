"""Speed and framing, as people write them."""

from __future__ import annotations

import pytest

from pibramble.console.model import Enter, Flow, Parity, Settings


@pytest.mark.parametrize("text", ["9600 8N1", "115200 7E1", "300 5O2", "115200 8N1 rtscts", "9600 8N1 xonxoff"])
def test_what_settings_print_they_also_read(text: str) -> None:
    assert str(Settings.parse(text)) == text


def test_a_speed_alone_means_8n1() -> None:
    assert Settings.parse("115200") == Settings(115200, 8, Parity.NONE, 1, Flow.NONE)


@pytest.mark.parametrize("text", ["", "fast", "9600 8X1", "9600 9N1", "9600 8N1 magic", "9600 8N3", "-9600"])
def test_nonsense_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"9600|rtscts"):
        Settings.parse(text)


@pytest.mark.parametrize(("text", "bits"), [("9600 8N1", 10), ("9600 7E1", 10), ("9600 8E2", 12)])
def test_a_character_lasts_as_long_as_its_bits(text: str, bits: int) -> None:
    assert Settings.parse(text).character_seconds == pytest.approx(bits / 9600)


def test_enter_is_what_old_gear_wants() -> None:
    assert [enter.bytes for enter in Enter] == [b"\r", b"\r\n", b"\r\0", b"\n"]
