"""What the direct reader makes of recorded logs agrees with what gpsd makes of them, or the reason is written down."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import pytest

from pibramble.gps.protocols import Protocol, Sound, listen
from tests.unit.gps.gpsd_logs import OWN, SHARED, answered, disagreements, epochs, foreign, logs

TABLE = Path(__file__).with_name("disagreements.toml")
ALL = [*logs(OWN), *logs(SHARED)]


def listed(log: Path) -> dict[str, int]:
    """Return what the table says of a log: field -> in how many epochs."""
    entries = tomllib.loads(TABLE.read_text(encoding="utf-8"))["disagreement"]
    return {field: count for entry in entries if entry["log"] == log.name for field, count in entry["epochs"].items()}


@pytest.mark.parametrize("log", ALL, ids=lambda log: log.name)
def test_the_direct_reader_says_what_gpsd_says(log: Path) -> None:
    data = log.read_bytes()
    if foreign(data):
        pytest.skip(f"gpsd reads more than NMEA in it: {', '.join(sorted(foreign(data)))}")
    found = list(disagreements(data, log.with_name(log.name + ".chk").read_bytes()))
    counted = dict(Counter(one.field for one in found))
    assert counted == listed(log), "\n".join(map(str, found[:20]))


@pytest.mark.parametrize("log", ALL, ids=lambda log: log.name)
def test_every_log_is_known_for_what_it_is(log: Path) -> None:
    data = log.read_bytes()
    heard = listen(data)
    assert heard.sound is Sound.RECEIVER, heard.evidence
    if Protocol.NMEA not in heard.frames:
        assert not [epoch for epoch in epochs(data) if epoch.fix.located]


def test_the_comparison_is_about_something() -> None:
    compared = [log for log in ALL if not foreign(log.read_bytes())]
    answers = [one for log in compared for one in answered(log.with_name(log.name + ".chk").read_bytes())]
    assert sum(one.fix is not None and one.fix[1].located for one in answers) > 50
    assert sum(one.sky is not None and bool(one.sky[0].satellites) for one in answers) > 10


def test_every_reason_is_given() -> None:
    entries = tomllib.loads(TABLE.read_text(encoding="utf-8"))["disagreement"]
    assert all(len(entry["reason"]) > 20 and entry["epochs"] for entry in entries)
    assert len({entry["log"] for entry in entries}) == len(entries)
