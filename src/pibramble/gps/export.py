"""Where a receiver has been, for maps: GPX 1.1 (topografix.com/GPX/1/1) and GeoJSON (RFC 7946)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from xml.etree import ElementTree as ET

from pibramble.gps.model import Fix, GpsState, Mode, Quality

_NAMESPACE = "http://www.topografix.com/GPX/1/1"
_PLACES = 9  # decimals of a degree: a tenth of a millimetre
_MOST_STATION = 1023  # GPX: dgpsStationType


def gpx(states: Iterable[GpsState], name: str) -> str:
    """Return a track: a segment as long as there is a fix, a new one after each gap."""
    root = ET.Element("gpx", {"version": "1.1", "creator": "pibramble", "xmlns": _NAMESPACE})
    track = ET.SubElement(root, "trk")
    ET.SubElement(track, "name").text = name
    for located, group in groupby(states, lambda state: state.fix.located):
        if located:
            segment = ET.SubElement(track, "trkseg")
            for state in group:
                _point(segment, state)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _point(segment: ET.Element, state: GpsState) -> None:
    """Add a point; GPX wants its children in this order."""
    fix, sky = state.fix, state.sky
    point = ET.SubElement(segment, "trkpt", {"lat": _degrees(fix.latitude_deg), "lon": _degrees(fix.longitude_deg)})
    variation = fix.magnetic_variation_deg
    station = fix.correction_station
    for tag, value in (
        ("ele", _metres(fix.altitude_msl_m)),
        ("time", _time(fix)),
        ("magvar", None if variation is None else f"{variation % 360:.1f}"),
        ("geoidheight", _metres(fix.geoid_separation_m)),
        ("fix", _kind(fix)),
        ("sat", None if fix.satellites_used is None else str(fix.satellites_used)),
        ("hdop", None if sky.hdop is None else f"{sky.hdop:g}"),
        ("vdop", None if sky.vdop is None else f"{sky.vdop:g}"),
        ("pdop", None if sky.pdop is None else f"{sky.pdop:g}"),
        ("ageofdgpsdata", None if fix.correction_age_s is None else f"{fix.correction_age_s:g}"),
        ("dgpsid", None if station is None or not 0 <= station <= _MOST_STATION else str(station)),
    ):
        if value is not None:
            ET.SubElement(point, tag).text = value


def _degrees(angle: float | None) -> str:
    return f"{round(angle or 0.0, _PLACES):.{_PLACES}f}"


def _metres(height: float | None) -> str | None:
    return None if height is None else f"{height:.3f}".rstrip("0").rstrip(".")


def _time(fix: Fix) -> str | None:
    if fix.time is None:
        return None
    return fix.time.isoformat(timespec="milliseconds").replace("+00:00", "Z").replace(".000Z", "Z")


def _kind(fix: Fix) -> str:
    if fix.quality in {Quality.DIFFERENTIAL, Quality.RTK_FIXED, Quality.RTK_FLOAT}:
        return "dgps"
    if fix.quality is Quality.PRECISE:
        return "pps"
    return "3d" if fix.mode >= Mode.THREE_D else "2d"


def geojson(states: Iterable[GpsState], name: str) -> str:
    """Return a feature collection: a line for each stretch with a fix, or a point where it is one fix."""
    features = [_feature(list(group), name) for located, group in groupby(states, lambda s: s.fix.located) if located]
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1, ensure_ascii=False) + "\n"


def _feature(stretch: list[GpsState], name: str) -> dict[str, object]:
    places = [list(_position(state.fix)) for state in stretch]
    single = len(places) == 1
    return {
        "type": "Feature",
        "geometry": {
            "type": "Point" if single else "LineString",
            "coordinates": places[0] if single else places,
        },
        "properties": {"name": name, "coordTimes": [_time(state.fix) for state in stretch]},
    }


def _position(fix: Fix) -> Iterator[float]:
    """Yield longitude, latitude and, where known, height above the ellipsoid, as RFC 7946 section 4 has it."""
    yield round(fix.longitude_deg or 0.0, _PLACES)
    yield round(fix.latitude_deg or 0.0, _PLACES)
    if fix.altitude_hae_m is not None:
        yield round(fix.altitude_hae_m, 3)
