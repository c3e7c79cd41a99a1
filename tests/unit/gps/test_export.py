"""Tracks are written so that other programs read them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import attrs
import pytest

from pibramble.gps import sources
from pibramble.gps.export import geojson, gpx
from pibramble.gps.model import Fix, GpsState, Mode, Origin, Source
from tests.unit.gps.daemons import PROGRAMS
from tests.unit.gps.gpsd_logs import OWN

GPX = "{http://www.topografix.com/GPX/1/1}"
GPSBABEL = PROGRAMS / "gpsbabel"
needs_gpsbabel = pytest.mark.skipif(not GPSBABEL.exists(), reason="`scripts/setup gps` brings gpsbabel")


@pytest.fixture(scope="module")
def walk() -> list[GpsState]:
    return list(sources.states(Source(Origin.LOG, str(OWN / "walk.log"))))


def gap(walk: list[GpsState]) -> list[GpsState]:
    """Return the walk with a fix lost amid it, and one lone fix at the end."""
    lost = attrs.evolve(walk[10], fix=Fix(mode=Mode.NO_FIX))
    return [*walk[:10], lost, *walk[11:20], lost, walk[20]]


def test_gpx_has_a_point_for_each_fix_with_all_that_is_known(walk: list[GpsState]) -> None:
    root = ET.fromstring(gpx(walk, "a walk"))  # noqa: S314 (our own)
    points = root.findall(f"{GPX}trk/{GPX}trkseg/{GPX}trkpt")
    assert len(points) == 30
    first = {child.tag.removeprefix(GPX): child.text for child in points[0]}
    assert points[0].get("lat") == "52.516275000"
    assert first == {
        "ele": "35", "time": "2026-06-21T10:15:00Z", "geoidheight": "44.2", "fix": "3d", "sat": "9", "hdop": "1.1",
        "vdop": "1.55", "pdop": "1.9",
    }  # fmt: skip


def test_a_lost_fix_begins_a_new_segment(walk: list[GpsState]) -> None:
    root = ET.fromstring(gpx(gap(walk), "a walk"))  # noqa: S314
    assert [len(segment) for segment in root.iter(f"{GPX}trkseg")] == [10, 9, 1]


def test_a_name_that_is_markup_stays_a_name(walk: list[GpsState]) -> None:
    root = ET.fromstring(gpx(walk, "<b>&"))  # noqa: S314
    assert root.findtext(f"{GPX}trk/{GPX}name") == "<b>&"


def test_geojson_has_a_line_for_each_stretch_and_a_point_for_a_lone_fix(walk: list[GpsState]) -> None:
    collection = json.loads(geojson(gap(walk), "a walk"))
    kinds = [feature["geometry"]["type"] for feature in collection["features"]]
    assert kinds == ["LineString", "LineString", "Point"]
    line = collection["features"][0]
    assert line["geometry"]["coordinates"][0] == [13.377704, 52.516275, 79.2]
    assert len(line["properties"]["coordTimes"]) == len(line["geometry"]["coordinates"]) == 10


@needs_gpsbabel
@pytest.mark.parametrize(("kind", "render"), [("gpx", gpx), ("geojson", geojson)])
def test_gpsbabel_reads_every_place(kind: str, render: object, walk: list[GpsState], tmp_path: Path) -> None:
    file = tmp_path / f"track.{kind}"
    file.write_text(render(walk, "a walk"), encoding="utf-8")  # type: ignore[operator]
    argv = [str(GPSBABEL), "-t", "-i", kind, "-f", str(file), "-o", "gpx,gpxver=1.1", "-F", "-"]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout
    points = [point for point in ET.fromstring(said).iter() if point.tag in {f"{GPX}trkpt", f"{GPX}rtept"}]  # noqa: S314
    places = [(round(float(p.get("lat") or 0), 7), round(float(p.get("lon") or 0), 7)) for p in points]
    assert places == [(round(s.fix.latitude_deg or 0, 7), round(s.fix.longitude_deg or 0, 7)) for s in walk]
