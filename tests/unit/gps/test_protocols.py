"""What is not NMEA is recognised for what it is."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pibramble.gps.framing import sentence
from pibramble.gps.protocols import Protocol, Sound, listen


def fletcher(data: bytes) -> bytes:
    first = second = 0
    for byte in data:
        first = (first + byte) % 256
        second = (second + first) % 256
    return bytes((first, second))


def ubx() -> bytes:
    body = b"\x01\x07\x04\x00\x01\x02\x03\x04"
    return b"\xb5\x62" + body + fletcher(body)


def sirf() -> bytes:
    payload = bytes((2, 200, 201, 7))
    return b"\xa0\xa2" + len(payload).to_bytes(2, "big") + payload + sum(payload).to_bytes(2, "big") + b"\xb0\xb3"


def garmin() -> bytes:
    body = bytes((0x33, 2, 9, 9))
    return b"\x10" + body + bytes((-sum(body) % 256,)) + b"\x10\x03"


def skytraq() -> bytes:
    return b"\xa0\xa1\x00\x02\xdf\x01" + bytes((0xDF ^ 1, 0x0D, 0x0A))


TSIP = (b"\x10\x41" + bytes(10) + b"\x10\x03") * 3
RTCM3 = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")  # RTCM 10403.1, the example of section 4.2


@pytest.mark.parametrize(
    ("data", "protocol"),
    [
        (sentence("GPGSV,1,1,00"), Protocol.NMEA), (ubx(), Protocol.UBX), (sirf(), Protocol.SIRF),
        (garmin(), Protocol.GARMIN), (skytraq(), Protocol.SKYTRAQ), (TSIP, Protocol.TSIP), (RTCM3, Protocol.RTCM3),
        (b"$GPGGA,123519,4807.038,N\r\n" * 3, Protocol.BARE_NMEA),
        (b"!AIVDM,1,1,,A,14eG;o@034o8sd<L9i:a;WF>062D,0*7D\r\n", Protocol.AIS),
        (b'{"class":"TPV"}\n{"class":"SKY"}\n{"class":"TPV"}\n', Protocol.GPSD),
    ],
)  # fmt: skip
def test_a_receiver_is_known_by_its_frames(data: bytes, protocol: Protocol) -> None:
    heard = listen(b"\x00\x80" + data + b"\xff\x10")
    assert (heard.sound, heard.protocol) == (Sound.RECEIVER, protocol)
    assert str(protocol) in heard.evidence


@pytest.mark.parametrize("data", [ubx(), sirf(), garmin(), skytraq(), RTCM3])
def test_a_frame_with_a_wrong_checksum_is_none(data: bytes) -> None:
    wrong = bytearray(data)
    wrong[-4 if data[:1] == b"\xa0" else -3] ^= 0x11
    assert listen(bytes(wrong)).sound is Sound.NOISE


def test_a_console_is_known_by_what_it_asks() -> None:
    assert listen(b"\r\nDebian GNU/Linux 13 zero1 ttyAMA0\r\n\r\nzero1 login: ").sound is Sound.CONSOLE
    assert listen(b"Router#").sound is Sound.CONSOLE
    assert listen(b"temperature 21.5\r\ntemperature 21.6\r\n").sound is Sound.TEXT


def test_what_a_person_can_read_is_no_binary_protocol() -> None:
    page = b"<!-- a remark of some length -->\n@@Ab or so of it\r\n" * 5
    assert listen(page).sound is Sound.TEXT


def test_silence_and_noise_are_told_apart() -> None:
    assert listen(b"").sound is Sound.SILENT
    assert listen(random.Random(7).randbytes(500)).sound is Sound.NOISE  # noqa: S311 (the same noise each time)


def test_remarks_of_a_log_are_no_evidence() -> None:
    assert listen(b"# as " + sentence("GPGSV,1,1,00")).sound is Sound.SILENT


@given(st.binary(max_size=600))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    listen(data)
