"""What chronyc prints is read as chrony means it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pibramble.gps import chrony
from pibramble.gps.model import Chosen
from tests.unit.gps import daemons

SOURCES = """\
#,*,GPS,0,4,377,12,0.000123,0.000150,0.050000000
^,-,192.0.2.1,2,6,17,33,-0.001500,-0.001600,0.012000000
^,?,192.0.2.2,0,6,0,4294967295,0.000000000,0.000000000,0.000000000
=,x,192.0.2.3,3,6,377,5,1.000000000,1.000000000,0.010000000
"""


def test_sources_are_read_line_by_line() -> None:
    gps, server, silent, peer = chrony.read_sources(SOURCES)
    assert (gps.kind, gps.name, gps.chosen, gps.reach, gps.last_sample_s) == (
        "reference clock", "GPS", Chosen.BEST, 0o377, 12,
    )  # fmt: skip
    assert (gps.offset_s, gps.error_s) == (0.000123, 0.05)
    assert (server.kind, server.chosen) == ("server", Chosen.REJECTED)
    assert (silent.chosen, silent.reach, silent.last_sample_s) == (Chosen.UNUSABLE, 0, None)
    assert (peer.kind, peer.chosen) == ("peer", Chosen.FALSE)


@pytest.mark.parametrize("text", ["", "nonsense", "1,2,3", "#,*,GPS,0,4,x,12,0,0,0"])
def test_what_chronyc_never_prints_is_passed_over(text: str) -> None:
    assert chrony.read_sources(text) == ()


def test_where_there_is_no_chrony_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("pibramble.proc._SYSTEM_FOLDERS", ())
    assert chrony.ask().problem == chrony.NOT_INSTALLED


@pytest.fixture
def chronyd(tmp_path: Path) -> Iterator[Path]:
    """Give the folder of a chronyc that asks the real chronyd."""
    with daemons.chronyd(tmp_path) as programs:
        yield programs


def test_the_real_chronyd_is_asked(chronyd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{chronyd}{os.pathsep}{os.environ['PATH']}")
    said = chrony.ask()
    assert not said.problem
    [clock] = said.sources
    assert (clock.kind, clock.name, clock.reach) == ("reference clock", "GPS", 0)
    assert said.tracking is not None


def test_a_chronyd_that_has_ended_is_told(chronyd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{chronyd}{os.pathsep}{os.environ['PATH']}")
    script = chronyd / "chronyc"
    script.write_text(script.read_text().replace("chronyd.sock", "nobody.sock"))
    assert chrony.ask().problem.startswith("chronyd does not answer: ")
