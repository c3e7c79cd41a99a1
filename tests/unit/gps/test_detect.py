"""Speed and language are found by listening, and what is no receiver is said to be none."""

from __future__ import annotations

import errno

import pytest

from pibramble.errors import BusyError, PibrambleError
from pibramble.gps.detect import Detection, detect, found
from pibramble.gps.framing import sentence
from pibramble.gps.protocols import Protocol, Sound
from pibramble.progress import SilentProgress
from pibramble.serialport.opening import AbsentError
from tests.unit.gps.receivers import receiver, sampled
from tests.unit.gps.test_protocols import ubx

SAYS = sentence("GPGGA,123519,4807.038,N,01131.324,E,1,08,0.9,545.4,M,46.9,M,,") + sentence("GPGSV,1,1,00")


def listened(path: str, *speeds: int) -> Detection:
    return detect(path, SilentProgress(), speeds or (9600, 4800, 38400, 115200), listen_s=0.8)


@pytest.mark.parametrize("baud", [9600, 4800, 38400, 115200])
def test_the_speed_is_the_one_with_right_checksums(baud: int) -> None:
    with receiver(SAYS, baud) as path:
        detection = listened(path)
    assert (detection.baud, detection.protocol) == (baud, Protocol.NMEA)
    assert all(attempt.heard.sound is not Sound.RECEIVER for attempt in detection.attempts[:-1])
    assert "NMEA 0183" in found(detection).heard.evidence


def test_a_wire_read_at_the_wrong_speed_gives_other_bytes() -> None:
    assert sampled(SAYS, 9600, 9600) == SAYS
    assert b"GGA" not in sampled(SAYS, 9600, 4800)
    assert b"GGA" not in sampled(SAYS, 9600, 38400)


def test_a_binary_receiver_is_found_too() -> None:
    with receiver(ubx() * 3, 38400) as path:
        detection = listened(path)
    assert (detection.baud, detection.protocol) == (38400, Protocol.UBX)


def test_a_console_is_said_to_be_one() -> None:
    with receiver(b"\r\nDebian GNU/Linux 13 zero1 ttyAMA0\r\n\r\nzero1 login: ", 115200) as path:
        detection = listened(path)
    with pytest.raises(PibrambleError, match="a login or a shell at 115200 baud"):
        found(detection)


def test_a_silent_port_is_not_listened_to_at_every_speed() -> None:
    with receiver(b"", every_s=60) as path:
        detection = listened(path)
    assert [attempt.heard.sound for attempt in detection.attempts] == [Sound.SILENT] * 2
    with pytest.raises(PibrambleError, match="nothing comes from it"):
        found(detection)


def test_noise_at_every_speed_is_said_to_be_that() -> None:
    with receiver(bytes(range(128, 256)) * 2) as path:
        detection = listened(path, 9600, 4800)
    with pytest.raises(PibrambleError, match="noise at every speed"):
        found(detection)


def test_a_port_that_another_program_has_is_said_to_be_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_words: object) -> int:  # as the kernel answers all but root
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr("pibramble.serialport.opening.os.open", busy)
    with pytest.raises(BusyError, match="in use by another program"):
        listened("/dev/ttyUSB0")


def test_a_port_that_is_not_there_is_named() -> None:
    with pytest.raises(AbsentError, match="/dev/nosuch: No such file"):
        listened("/dev/nosuch")
