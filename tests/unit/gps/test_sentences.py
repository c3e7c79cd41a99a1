"""Each sentence says what its fields say, and the other reader of NMEA says the same."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynmeagps import NMEAReader

from pibramble.gps.framing import Framer
from pibramble.gps.model import Constellation, Mode, Quality
from pibramble.gps.satellites import Identity
from pibramble.gps.sentences import Said, Standing, clock_us, read
from tests.unit.gps.gpsd_logs import OWN, SHARED, logs

KINDS = ("GGA", "GNS", "RMC", "GLL", "GSA", "GSV", "VTG", "ZDA", "GST", "GBS")


def said(text: str) -> Said:
    found = read(text.encode())
    assert found is not None
    return found


def test_gga_tells_place_heights_and_corrections() -> None:
    gga = said("GPGGA,123519.25,4807.038,N,01131.324,W,2,08,0.9,545.4,M,46.9,M,3.5,0133")
    assert gga.clock_us == ((12 * 60 + 35) * 60 + 19) * 1_000_000 + 250_000
    assert (gga.latitude_deg, gga.longitude_deg) == (48 + 7.038 / 60, -(11 + 31.324 / 60))
    assert (gga.altitude_msl_m, gga.geoid_separation_m, gga.satellites_used, gga.hdop) == (545.4, 46.9, 8, 0.9)
    assert (gga.standing, gga.quality) == (Standing.THREE_D, Quality.DIFFERENTIAL)
    assert (gga.correction_age_s, gga.correction_station) == (3.5, 133)


def test_too_few_satellites_are_no_fix_though_a_place_is_told() -> None:
    assert said("GPGGA,123519,4807.038,N,01131.324,E,1,02,0.9,545.4,M,46.9,M,,").standing is Standing.INVALID
    assert said("GPGGA,123519,4807.038,N,01131.324,E,1,03,0.9,545.4,M,46.9,M,,").standing is Standing.TWO_D
    # GLONASS alone may use none of its own while GPS carries the fix
    assert said("GLGGA,123519,4807.038,N,01131.324,E,1,00,0.9,545.4,M,46.9,M,,").standing is Standing.TWO_D


def test_rmc_tells_the_day_the_speed_and_the_variation() -> None:
    rmc = said("GNRMC,225446.33,A,4916.45,N,12311.12,W,010.0,054.7,191194,020.3,W,D,V")
    assert rmc.date == dt.date(1994, 11, 19)
    assert rmc.speed_mps == pytest.approx(5.144444)
    assert (rmc.track_deg, rmc.magnetic_variation_deg, rmc.quality) == (54.7, -20.3, Quality.DIFFERENTIAL)
    assert said("GNRMC,225446.33,A,4916.45,N,12311.12,W,,,010168,,,A").date == dt.date(2068, 1, 1)


def test_a_time_beside_a_warning_is_not_taken() -> None:
    rmc = said("GPRMC,235946.005,V,8960.0,N,00000.0,E,0.0,0.0,050180,,,N")
    assert (rmc.clock_us, rmc.date, rmc.standing) == (None, None, Standing.INVALID)


def test_a_makers_own_sentence_is_not_taken_for_another() -> None:
    assert read(b"PGRMC,A,218.8,100,6378137.000,298.257223563,0.000,0.000,0.000,A,3,1,1,4,30") is None
    assert read(b"PUBX,00,081350.00,4717.113210,N,00833.915187,E,546.589,G3,2.1,2.0,0.007,77.52,0.007,,0.92") is None


def test_gsa_of_nmea_4_11_names_the_constellation_by_its_number() -> None:
    gsa = said("GNGSA,A,3,07,12,33,,,,,,,,,,1.05,0.64,0.83,3")
    assert gsa.mode is Mode.THREE_D
    assert gsa.active == tuple(Identity(Constellation.GALILEO, n, 300 + n) for n in (7, 12, 33))
    assert (gsa.pdop, gsa.hdop, gsa.vdop) == (1.05, 0.64, 0.83)


def test_gsa_with_twenty_four_places_is_read_up_to_its_dilutions() -> None:
    gsa = said("GPGSA,A,3,27,23,13,07,25,,,,,,,,,,,,,,,,,,,,07.9,06.0,05.2")
    assert gsa.active is not None
    assert [one.number for one in gsa.active] == [27, 23, 13, 7, 25]


@pytest.mark.parametrize(
    ("talker", "constellation", "prn"),
    [
        ("GP", Constellation.GPS, 5), ("GN", Constellation.GPS, 5), ("GA", Constellation.GALILEO, 305),
        ("GB", Constellation.BEIDOU, 405), ("BD", Constellation.BEIDOU, 405), ("GL", Constellation.GLONASS, 69),
        ("GQ", Constellation.QZSS, 197), ("GI", Constellation.NAVIC, 505),
    ],
)  # fmt: skip
def test_the_talker_of_gsv_says_whose_satellites_they_are(talker: str, constellation: Constellation, prn: int) -> None:
    gsv = said(f"{talker}GSV,1,1,01,05,45,120,33,1")
    assert gsv.in_view is not None
    [signal] = gsv.in_view
    assert signal.identity == Identity(constellation, 5, prn)
    assert (signal.elevation_deg, signal.azimuth_deg, signal.signal_dbhz, signal.signal) == (45, 120, 33, 1)


def test_the_signal_is_a_hexadecimal_digit_and_older_sentences_have_none() -> None:
    newer, older = said("GBGSV,1,1,01,05,45,120,33,B"), said("GPGSV,1,1,01,05,45,120,33")
    assert [signal.signal for gsv in (newer, older) for signal in gsv.in_view or ()] == [11, None]


def test_angles_and_signals_are_floats_as_gpsd_has_them() -> None:
    [heard] = said("GPGSV,1,1,01,08,60,360,38").in_view or ()
    assert (heard.elevation_deg, heard.azimuth_deg, heard.signal_dbhz) == (60, 0, 38)
    assert {type(heard.elevation_deg), type(heard.azimuth_deg), type(heard.signal_dbhz)} == {float}


def test_quectels_own_gsv_has_signal_and_system() -> None:
    gsv = said("PQGSV,1,1,02,20,03,174,30,21,05,324,,0,5")
    assert [signal.identity.constellation for signal in gsv.in_view or ()] == [Constellation.QZSS] * 2


def test_a_satellite_that_is_not_heard_has_no_signal() -> None:
    gsv = said("GPGSV,1,1,02,20,78,331,,21,,,40")
    assert [(s.elevation_deg, s.signal_dbhz) for s in gsv.in_view or ()] == [(78, None), (None, 40)]


def test_gst_and_gbs_tell_errors() -> None:
    assert said("GPGST,082356.00,1.8,,,,3.0,4.0,2.2").horizontal_error_m == 5
    assert said("GPGBS,015509.00,3.0,4.0,1.0,,,,").vertical_error_m == 1


def test_the_second_that_is_inserted_is_a_time() -> None:
    assert clock_us("235960.50") == 86_400_500_000
    assert [clock_us(text) for text in ("240000", "126000", "12345", "1234xx", "12-456", "²34567")] == [None] * 6


@pytest.mark.parametrize("text", ["nan", "inf", "-", "1e999", "4807,038", "9160.00", "-100.0", "..", "4807"])
def test_a_place_that_is_none_is_not_told(text: str) -> None:
    found = read(f"GPGLL,{text},N,01131.324,E,123519,A,A".encode())
    assert found is None or found.latitude_deg is None


def test_what_stands_on_no_calendar_is_no_date() -> None:
    for date in ("310226", "000100", "011326", "0101", "-10126", "ddmmyy"):
        assert said(f"GPRMC,123519,A,4807.038,N,01131.324,E,0,0,{date},,,A").date is None
    assert read(b"GPZDA,123519,31,02,2026,00,00") is None


_FIELD = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="$*,"), max_size=12),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["", "A", "V", "N", "E", "S", "W", "M", "1", "3", "123519.00", "4807.038", "01131.324", "191194"]),
)


@given(st.sampled_from(KINDS), st.sampled_from(["GP", "GN", "GL", "GA", "PQ", "XX"]), st.lists(_FIELD, max_size=30))
def test_no_field_makes_it_fail(kind: str, talker: str, fields: list[str]) -> None:
    found = read(",".join([f"{talker}{kind}", *fields]).encode("latin-1"))
    if found is not None and found.latitude_deg is not None:
        assert -90 <= found.latitude_deg <= 90


def _pynmeagps(content: bytes) -> Any:  # noqa: ANN401 (its attributes are made from the sentence)
    return NMEAReader.parse(b"$" + content + b"*00\r\n", validate=0)


def _theirs(message: Any, name: str) -> float | None:  # noqa: ANN401
    value = getattr(message, name, "")
    return None if value == "" else float(value)


_NAMES = {
    "latitude_deg": "lat", "longitude_deg": "lon", "altitude_msl_m": "alt", "geoid_separation_m": "sep", "hdop": "HDOP",
    "pdop": "PDOP", "vdop": "VDOP",
}  # fmt: skip


@pytest.mark.parametrize("log", [*logs(OWN), *logs(SHARED)], ids=lambda log: log.name)
def test_pynmeagps_reads_the_same_from_every_field(log: Path) -> None:
    compared = 0
    for content in Framer().feed(log.read_bytes()):
        ours = read(content)
        if ours is None or ours.talker == "PQ":  # Quectel's own, which pynmeagps has no fields for
            continue
        theirs = _pynmeagps(content)
        for mine, name in _NAMES.items():
            value = getattr(ours, mine)
            if value is not None:
                assert value == pytest.approx(_theirs(theirs, name), abs=1e-9), (content, name)
                compared += 1
        if ours.clock_us is not None:
            time = theirs.time
            seconds = (time.hour * 60 + time.minute) * 60 + time.second
            assert ours.clock_us == seconds * 1_000_000 + time.microsecond, content
            compared += 1
    assert compared
