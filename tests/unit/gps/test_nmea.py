"""Sentences become epochs: one fix for one moment, in whatever order and manner a receiver tells it."""

from __future__ import annotations

import datetime as dt
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pibramble.gps.framing import checksum, sentence
from pibramble.gps.model import Constellation, Mode, Quality
from pibramble.gps.nmea import Epoch, Reader
from tests.unit.gps.gpsd_logs import OWN

PLACE = "4807.038,N,01131.324,E"


def rmc(clock: str, date: str = "250626", state: str = "A") -> str:
    return f"GPRMC,{clock},{state},{PLACE},000.5,054.7,{date},,,A"


def gga(clock: str, used: int = 8, height: str = "545.4") -> str:
    return f"GPGGA,{clock},{PLACE},1,{used:02d},0.9,{height},M,46.9,M,,"


def told(*texts: str) -> list[Epoch]:
    reader = Reader()
    epochs = [epoch for text in texts for epoch in reader.feed(sentence(text))]
    last = reader.finish()
    return [*epochs, last] if last else epochs


def test_all_that_is_said_of_one_moment_is_one_fix() -> None:
    [one, two] = told(rmc("120000.00"), gga("120000.00"), rmc("120001.00"))
    assert one.fix.time == dt.datetime(2026, 6, 25, 12, 0, 0, tzinfo=dt.UTC)
    assert (one.fix.mode, one.fix.altitude_msl_m) == (Mode.THREE_D, 545.4)
    assert one.fix.altitude_hae_m == pytest.approx(592.3)
    assert one.fix.speed_mps == pytest.approx(0.257222)
    assert two.fix.altitude_msl_m is None


def test_an_epoch_is_told_once_and_again_only_when_there_is_more() -> None:
    reader = Reader()
    assert not list(reader.feed(sentence(rmc("120000"))))
    first = reader.finish()
    assert first is not None
    assert reader.finish() is None
    assert not list(reader.feed(sentence(gga("120000"))))
    second = reader.finish()
    assert second is not None
    assert (first.fix.altitude_msl_m, second.fix.altitude_msl_m) == (None, 545.4)


def test_times_with_different_digits_are_the_same_moment() -> None:
    assert len(told("GPGLL,4807.038,N,01131.324,E,120000.076,A", gga("120000.08"))) == 1


def test_the_day_is_known_from_rmc_or_zda_and_turns_at_midnight_before_they_say_so() -> None:
    epochs = told("GPZDA,235959.90,31,12,2026,00,00", gga("235959.90"), gga("000000.00"), rmc("000000.00", "010127"))
    assert [epoch.fix.time.date().isoformat() for epoch in epochs if epoch.fix.time] == ["2026-12-31", "2027-01-01"]
    [_, before_rmc] = told(rmc("235959", "311226"), gga("000000"))
    assert before_rmc.fix.time == dt.datetime(2027, 1, 1, tzinfo=dt.UTC)


def test_the_second_that_is_inserted_comes_before_the_next_day() -> None:
    [_, leap, after] = told(rmc("235959", "311216"), rmc("235960", "311216"), rmc("000000", "010117"))
    assert leap.fix.time == after.fix.time == dt.datetime(2017, 1, 1, tzinfo=dt.UTC)


def test_without_a_day_there_is_a_place_but_no_time() -> None:
    [epoch] = told(gga("120000"))
    assert (epoch.fix.time, epoch.fix.located) == (None, True)


def test_a_receiver_without_a_time_is_told_round_by_round() -> None:
    cold = ("GNRMC,,V,,,,,,,,,,N,V", "GNGGA,,,,,,0,00,99.99,,,,,,", "GNGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99,1")
    epochs = told(*cold * 3)
    assert [(epoch.fix.mode, epoch.fix.time) for epoch in epochs] == [(Mode.NO_FIX, None)] * 3


def test_a_place_beside_a_warning_is_no_place() -> None:
    [epoch] = told(rmc("120000", state="V"))
    assert (epoch.fix.mode, epoch.fix.latitude_deg) == (Mode.NO_FIX, None)


def test_nowhere_is_no_place_though_the_sentences_of_the_next_round_are_lost_up_to_its_gsa() -> None:
    [epoch] = told(
        "GPGGA,120000,0000.0000,N,00000.0000,E,0,00,,0.0,M,0.0,M,,0000", "GPGSA,A,3,04,05,09,12,,,,,,,,,2,1,2"
    )
    assert not epoch.fix.located


def test_gsa_says_2d_but_four_satellites_and_a_height_are_3d() -> None:
    gsa = "GPGSA,A,2,06,07,11,19,,,,,,,,,1.4,1.1,0.8"
    assert told(gga("120000"), gsa)[0].fix.mode is Mode.THREE_D
    assert told(gga("120000", used=3), gsa)[0].fix.mode is Mode.TWO_D


def test_what_rmc_does_not_say_stays_as_it_was() -> None:
    [_, second] = told(gga("120000"), rmc("120001"))
    assert second.fix.mode is Mode.THREE_D
    [_, second] = told(gga("120000", used=3), rmc("120001"))
    assert second.fix.mode is Mode.TWO_D


def test_a_time_that_stands_still_is_no_fix() -> None:
    reader = Reader()
    for _ in range(2):
        list(reader.feed(sentence(gga("120000"))))
    last = reader.finish()
    assert last is not None
    assert last.fix.mode is Mode.NO_FIX


def test_the_sky_is_put_together_from_all_talkers_and_signals() -> None:
    [last] = told(
        gga("120000"),
        "GNGSA,A,3,03,07,,,,,,,,,,,1.9,1.1,1.5,1", "GNGSA,A,3,66,,,,,,,,,,,,1.9,1.1,1.5,2",
        "GNGSA,A,3,05,,,,,,,,,,,,1.9,1.1,1.5,3", "GNGSA,A,3,11,,,,,,,,,,,,1.9,1.1,1.5,4",
        "GPGSV,2,1,05,03,62,118,44,07,35,291,38,14,21,060,33,22,11,190,27,1", "GPGSV,2,2,05,30,71,240,,1",
        "GPGSV,1,1,01,03,62,118,41,8", "GLGSV,1,1,01,66,40,080,36,1", "GAGSV,1,1,01,05,55,150,42,7",
        "GBGSV,1,1,01,11,48,095,40,1",
    )  # fmt: skip
    sky = last.sky
    assert (sky.visible, sky.used, last.fix.satellites_used) == (8, 5, 5)
    assert len(sky.satellites) == 9
    assert {s.constellation for s in sky.satellites if s.used} == {
        Constellation.GPS, Constellation.GLONASS, Constellation.GALILEO, Constellation.BEIDOU,
    }  # fmt: skip
    assert [s.signal for s in sky.satellites if s.name == "G03"] == ["L1 C/A", "L5 Q"]
    assert (sky.hdop, sky.pdop, sky.vdop) == (1.1, 1.9, 1.5)


def test_a_new_round_of_gsv_replaces_the_old_one() -> None:
    first, second = "GPGSV,1,1,01,03,62,118,44", "GPGSV,1,1,01,04,62,118,44"
    [_, epoch] = told(gga("120000"), first, gga("120001"), second)
    assert [s.number for s in epoch.sky.satellites] == [4]


def test_a_receiver_that_only_lists_satellites_takes_no_more_memory_with_time() -> None:
    reader = Reader()
    lines = [sentence(f"{a}{b}GSV,1,1,04,{n:02d},1,1,40,02,1,1,40,03,1,1,40,04,1,1,40") for a in "ABCD" for b in "ABCD"
             for n in range(20)]  # fmt: skip
    block = b"".join(lines)
    list(reader.feed(block))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            list(reader.feed(block))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 100_000
    assert len(reader.present().sky.satellites) <= 200


def test_the_best_quality_of_an_epoch_counts() -> None:
    [epoch] = told(rmc("120000"), gga("120000").replace(",1,08,", ",4,08,"))
    assert epoch.fix.quality is Quality.RTK_FIXED


def test_a_log_of_the_project_is_read_whole() -> None:
    reader = Reader()
    epochs = list(reader.feed((OWN / "walk.log").read_bytes()))
    assert len(epochs) == 29  # the last one is not over
    assert all(epoch.fix.mode is Mode.THREE_D for epoch in epochs)
    counts = reader.counts
    assert (counts.sentences, counts.wrong, counts.foreign, counts.unread) == (450, 0, 0, 0)


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_no_bytes_make_it_fail(blocks: list[bytes]) -> None:
    reader = Reader()
    for block in blocks:
        list(reader.feed(block))
    reader.finish()


_CONTENT = st.builds(
    lambda kind, body: kind + body,
    st.sampled_from(
        [b"GPGGA,", b"GNGNS,", b"GPRMC,", b"GPGLL,", b"GNGSA,", b"GPGSV,", b"PQGSV,", b"GPZDA,", b"GPGST,"]
    ),
    st.binary(max_size=100).map(lambda raw: raw.translate(None, b"$\r\n")),
)


@settings(max_examples=300)
@given(st.lists(_CONTENT, max_size=20))
def test_no_content_with_a_right_checksum_makes_it_fail(contents: list[bytes]) -> None:
    reader = Reader()
    list(reader.feed(b"".join(b"$%b*%02X\r\n" % (content, checksum(content)) for content in contents)))
    reader.finish()
