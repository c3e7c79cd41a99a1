"""What language a receiver speaks, told by its bytes: sync bytes, lengths and checksums of what is known.

The direct reader reads NMEA 0183 and nothing else. What else comes is recognised, so that a person is told what it is
instead of that there is nothing. Sources: the makers' interface descriptions as far as public (u-blox, SiRF, Garmin,
Trimble, Skytraq, RTCM 10403 for its frame), and gpsd's lexer for the sync bytes of the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import StrEnum

import attrs

from pibramble.gps.framing import checked

_ENOUGH = 3  # frames that have no checksum: fewer may be chance
_TEXT_SHARE = 0.9  # of the bytes are printable: text, at the right speed
_LOGIN = re.compile(rb"login: |assword: ?$|[\w)~][#$>%] ?$|U-Boot|BusyBox|GNU/Linux|Hit any key|\x1b\[", re.MULTILINE)
_REMARK = re.compile(rb"^#[^\n]*\n", re.MULTILINE)  # in recorded logs


class Protocol(StrEnum):
    """The languages that are recognised."""

    NMEA = "NMEA 0183"
    UBX = "u-blox UBX"
    SIRF = "SiRF binary"
    GARMIN = "Garmin binary"
    TSIP = "Trimble TSIP"
    RTCM3 = "RTCM 3"
    RTCM2 = "RTCM 2"
    SKYTRAQ = "Skytraq binary"
    ONCORE = "Motorola Oncore binary"
    ZODIAC = "Rockwell Zodiac binary"
    NAVCOM = "Navcom binary"
    EVERMORE = "EverMore binary"
    ITALK = "iTalk binary"
    SUPERSTAR2 = "SuperStar II binary"
    GEOSTAR = "GeoStar binary"
    GREIS = "Javad GREIS"
    CASIC = "CASIC binary"
    ALLYSTAR = "ALLYSTAR binary"
    GARMIN_TEXT = "Garmin text"
    AIS = "AIS (!AIVDM)"
    NTRIP = "NTRIP"
    BARE_NMEA = "NMEA without checksums"
    GPSD = "gpsd's own JSON"


class Sound(StrEnum):
    """What a line sounds like at one speed."""

    SILENT = "nothing"
    RECEIVER = "a receiver"
    CONSOLE = "a login or a shell"
    TEXT = "text of another kind"
    NOISE = "noise, as from the wrong speed"


@attrs.frozen
class Heard:
    """What was made of some bytes."""

    sound: Sound
    frames: dict[Protocol, int]  # how many of each language, whole and right
    bytes: int
    wrong: int  # sentences with a wrong checksum
    printable: float  # share

    @property
    def protocol(self) -> Protocol | None:
        """Return the language that most of it is in."""
        return max(self.frames, key=lambda protocol: self.frames[protocol]) if self.frames else None

    @property
    def evidence(self) -> str:
        """Say what the verdict rests on."""
        if self.sound is Sound.RECEIVER:
            told = [f"{count} x {protocol}" for protocol, count in sorted(self.frames.items(), key=lambda one: -one[1])]
            wrong = f", {self.wrong} wrong checksum{'s' * (self.wrong != 1)}" if self.wrong else ""
            return ", ".join(told) + wrong
        if self.sound is Sound.SILENT:
            return "not a byte"
        return f"{self.bytes} bytes, {self.printable:.0%} printable, no right checksum"


def listen(data: bytes) -> Heard:
    """Judge some bytes of a line, or of a log."""
    data = _REMARK.sub(b"", data)
    frames = {protocol: count for protocol, finder in _FINDERS.items() if (count := finder(data))}
    wrong = sum(1 for body in _SENTENCE.findall(data) if checked(body) is None)
    printable = _printable(data)
    if not data:
        sound = Sound.SILENT
    elif frames:
        sound = Sound.RECEIVER
    elif printable < _TEXT_SHARE:
        sound = Sound.NOISE
    else:
        sound = Sound.CONSOLE if _LOGIN.search(data) else Sound.TEXT
    return Heard(sound, frames, len(data), wrong, printable)


def _printable(data: bytes) -> float:
    return len(_PRINTABLE.findall(data)) / len(data) if data else 0.0


_PRINTABLE = re.compile(rb"[\x20-\x7e\t\r\n\x1b]")
_SENTENCE = re.compile(rb"\$([A-Z][^$\r\n]*\*[0-9A-Fa-f]{2})[^$\r\n]*(?=[$\r\n])")
_AIS = re.compile(rb"[!]([A-Z]{2}VD[MO],[^!\r\n]*)(?=[\r\n])")


def _nmea(data: bytes) -> int:
    return sum(1 for body in _SENTENCE.findall(data) if checked(body) is not None)


def _ais(data: bytes) -> int:
    return sum(1 for body in _AIS.findall(data) if checked(body) is not None)


# --- frames with lengths and checksums -------------------------------------------------------------------------------


def _after(data: bytes, sync: bytes) -> Iterator[int]:
    """Yield where each sync stands."""
    place = data.find(sync)
    while place >= 0:
        yield place
        place = data.find(sync, place + 1)


def _ubx(data: bytes) -> int:
    """Count UBX frames: b5 62, class, id, length, and Fletcher's 8-bit sums."""
    found = 0
    for at in _after(data, b"\xb5\x62"):
        size = int.from_bytes(data[at + 4 : at + 6], "little")
        end = at + 6 + size
        if end + 2 <= len(data) and _fletcher(data[at + 2 : end]) == data[end : end + 2]:
            found += 1
    return found


def _fletcher(data: bytes) -> bytes:
    first = second = 0
    for byte in data:
        first = (first + byte) & 0xFF
        second = (second + first) & 0xFF
    return bytes((first, second))


def _allystar(data: bytes) -> int:
    found = 0
    for at in _after(data, b"\xf1\xd9"):
        end = at + 6 + int.from_bytes(data[at + 4 : at + 6], "little")
        if end + 2 <= len(data) and _fletcher(data[at + 2 : end]) == data[end : end + 2]:
            found += 1
    return found


def _sirf(data: bytes) -> int:
    """Count SiRF frames: a0 a2, length, payload, sum of 15 bits, b0 b3."""
    found = 0
    for at in _after(data, b"\xa0\xa2"):
        end = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
        said = int.from_bytes(data[end : end + 2], "big")
        found += data[end + 2 : end + 4] == b"\xb0\xb3" and sum(data[at + 4 : end]) & 0x7FFF == said
    return found


def _skytraq(data: bytes) -> int:
    """Count Skytraq frames: a0 a1, length, payload, all its bytes XORed, CR LF."""
    found = 0
    for at in _after(data, b"\xa0\xa1"):
        end = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
        xor = 0
        for byte in data[at + 4 : end]:
            xor ^= byte
        found += end > at + 4 and data[end : end + 3] == bytes((xor, 0x0D, 0x0A))
    return found


def _dle_frames(data: bytes) -> Iterator[bytes]:
    """Yield what stands between DLE and DLE ETX, doubled DLEs made single."""
    for frame in re.finditer(rb"\x10(?![\x03\x10])((?:[^\x10]|\x10\x10){1,600}?)\x10\x03", data, re.DOTALL):
        yield frame[1].replace(b"\x10\x10", b"\x10")


def _garmin_sums(frame: bytes) -> bool:
    """Say whether it is Garmin's: id, length, data, and a sum that makes all zero."""
    return len(frame) >= 3 and frame[1] == len(frame) - 3 and sum(frame) & 0xFF == 0  # noqa: PLR2004


def _garmin(data: bytes) -> int:
    return sum(map(_garmin_sums, _dle_frames(data)))


# Reports that receivers send by themselves (Trimble's TSIP references); others carry no checksum to know them by.
_TSIP_REPORTS = frozenset((0x13, *range(0x40, 0x60), 0x6C, 0x6D, *range(0x82, 0x86), 0x8F, *range(0x90, 0x94),
                           *range(0xA0, 0xA4), 0xBB, 0xBC, 0xD0, 0xD3))  # fmt: skip


def _tsip(data: bytes) -> int:
    """Count TSIP frames. They have no checksum: few are chance, and what sums up as Garmin's is Garmin's."""
    frames = [frame for frame in _dle_frames(data) if frame[0] in _TSIP_REPORTS and not _garmin_sums(frame)]
    return len(frames) if len(frames) >= _ENOUGH else 0


def _evermore(data: bytes) -> int:
    """Count EverMore frames: DLE, 02, length, data, their sum, DLE ETX."""
    frames = (frame for frame in _dle_frames(data) if frame[0] == 0x02)  # noqa: PLR2004
    return sum(1 for frame in frames if len(frame) > 4 and sum(frame[2:-1]) & 0xFF == frame[-1])  # noqa: PLR2004


def _superstar2(data: bytes) -> int:
    """Count SuperStar II frames: 01, id, the id's complement, length, data, and the sum of all bytes."""
    found = 0
    for at in _after(data, b"\x01"):
        head = data[at : at + 4]
        if len(head) == 4 and head[1] ^ head[2] == 0xFF:  # noqa: PLR2004
            end = at + 4 + head[3]
            found += sum(data[at:end]) & 0xFFFF == int.from_bytes(data[end : end + 2], "little")
    return found


def _rtcm3(data: bytes) -> int:
    """Count RTCM 3 frames: d3, ten bits of length, and CRC-24Q."""
    found = 0
    for at in _after(data, b"\xd3"):
        size = int.from_bytes(data[at + 1 : at + 3], "big")
        end = at + 3 + size
        if 0 < size < 1024 and end + 3 <= len(data):  # noqa: PLR2004 (the six bits before are zero)
            found += _crc24q(data[at:end]) == int.from_bytes(data[end : end + 3], "big")
    return found


def _crc24q(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc


def _rtcm2(data: bytes) -> int:
    """Tell RTCM 2 by its bytes: six bits in each, the two above always 01 (RTCM 10402). A word is five of them."""
    runs = [run.translate(None, b"\r\n") for run in _SIX_BITS.findall(data)]
    return sum(len(run) // 5 for run in runs if len(set(run)) >= _MANY_VALUES)


_SIX_BITS = re.compile(rb"[\x40-\x7f\r\n]{60,}")
_MANY_VALUES = 30  # of the 64; words have fewer letters


# --- frames known by their sync bytes alone ---------------------------------------------------------------------------


def _by_sync(pattern: bytes, least: int = _ENOUGH, *, binary: bool = False) -> Callable[[bytes], int]:
    """Count what looks so; of a binary protocol not what a person can read, such as the remarks of a web page."""
    compiled = re.compile(pattern, re.DOTALL)

    def count(data: bytes) -> int:
        found = sum(1 for frame in compiled.finditer(data) if not (binary and _all_text(frame[0])))
        return found if found >= least else 0

    return count


def _all_text(data: bytes) -> bool:
    return len(_PRINTABLE.findall(data)) == len(data)


def _ntrip(data: bytes) -> int:
    return int(any(word in data for word in (b"SOURCETABLE", b"\nCAS;", b"\nSTR;", b"ICY 200 OK")))


_FINDERS: dict[Protocol, Callable[[bytes], int]] = {
    Protocol.NMEA: _nmea,
    Protocol.UBX: _ubx,
    Protocol.SIRF: _sirf,
    Protocol.SKYTRAQ: _skytraq,
    Protocol.GARMIN: _garmin,
    Protocol.TSIP: _tsip,
    Protocol.RTCM3: _rtcm3,
    Protocol.RTCM2: _rtcm2,
    Protocol.ALLYSTAR: _allystar,
    Protocol.AIS: _ais,
    Protocol.ONCORE: _by_sync(rb"@@[A-Z][a-z][\x00-\xff]{1,300}?\r\n", binary=True),
    Protocol.ZODIAC: _by_sync(rb"\xff\x81[\xe8-\xff]\x03|\xff\x81[\x00-\xff]\x04"),
    Protocol.NAVCOM: _by_sync(rb"\x02\x99\x66"),
    Protocol.EVERMORE: _evermore,
    Protocol.ITALK: _by_sync(rb"<![\x00-\xff]{5,200}?>", binary=True),
    Protocol.SUPERSTAR2: _superstar2,
    Protocol.GEOSTAR: _by_sync(rb"PSGG"),
    Protocol.GREIS: _by_sync(rb"(?:\[(?:~|::|RD|RT|SI|PV|PG|TO)\]|(?:RT|RD|SI|PV|PG|::)0[0-9A-F]{2}[\x00-\xff])"),
    Protocol.CASIC: _by_sync(rb"\xba\xce[\x00-\xff]\x00"),
    Protocol.GARMIN_TEXT: _by_sync(rb"@\d{12}[NS]\d{7}[EW]\d{8}"),
    Protocol.NTRIP: _ntrip,
    Protocol.BARE_NMEA: _by_sync(rb"\$(?:[A-Z]{2}[A-Z]{3}|STI),[^$*\r\n]*[\r\n]"),
    Protocol.GPSD: _by_sync(rb'\{"class":"[A-Z]+"'),
}
