"""What a state says, in words for people."""

from __future__ import annotations

from pibramble.gps.model import Fix, GpsState, Mode, Quality, TimeSource

UNKNOWN = "-"
_KMH = 3.6
_MODES = {Mode.UNKNOWN: "no word of a fix", Mode.NO_FIX: "no fix", Mode.TWO_D: "2D fix", Mode.THREE_D: "3D fix"}
TIME_SOURCE = ("chrony's source", "kind", "it is", "stratum", "reach", "offset", "error")  # heads `time_source`
_POINTS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


def fix(fix: Fix) -> str:
    """Return what kind of fix it is."""
    how = f", {fix.quality}" if fix.mode >= Mode.TWO_D and fix.quality is not Quality.NONE else ""
    used = f", {fix.satellites_used} satellites" if fix.satellites_used is not None and fix.mode >= Mode.TWO_D else ""
    return f"{_MODES[fix.mode]}{how}{used}"


def time(fix: Fix) -> str:
    """Return the receiver's time."""
    return f"{fix.time:%Y-%m-%d %H:%M:%S}.{fix.time.microsecond // 100_000} UTC" if fix.time else UNKNOWN


def place(fix: Fix) -> str:
    """Return latitude and longitude."""
    if fix.latitude_deg is None or fix.longitude_deg is None:
        return UNKNOWN
    north = "N" if fix.latitude_deg >= 0 else "S"
    east = "E" if fix.longitude_deg >= 0 else "W"
    return f"{abs(fix.latitude_deg):.6f}° {north}  {abs(fix.longitude_deg):.6f}° {east}"


def height(fix: Fix) -> str:
    """Return the height above the sea, or what there is."""
    if fix.altitude_msl_m is not None:
        return f"{fix.altitude_msl_m:.1f} m above the sea"
    return UNKNOWN if fix.altitude_hae_m is None else f"{fix.altitude_hae_m:.1f} m above the ellipsoid"


def motion(fix: Fix) -> str:
    """Return speed and course."""
    if fix.speed_mps is None:
        return UNKNOWN
    course = ""
    if fix.track_deg is not None:
        course = f", {fix.track_deg:.0f}° {_POINTS[round(fix.track_deg / 45) % 8]}"
    return f"{fix.speed_mps * _KMH:.1f} km/h{course}"


def seconds(offset_s: float | None) -> str:
    """Return a difference of clocks in a unit that fits it."""
    if offset_s is None:
        return UNKNOWN
    size = abs(offset_s)
    for factor, unit in ((1e-6, "ns"), (1e-3, "us"), (1.0, "ms")):
        if size < factor:
            return f"{offset_s / factor * 1000:+.1f} {unit}"
    return f"{offset_s:+.3f} s" if size < 86_400 else f"{offset_s / 86_400:+,.1f} days"  # noqa: PLR2004 (a day)


def offset(state: GpsState) -> str:
    """Return the system's clock against the receiver's."""
    if state.pulse is not None:
        return f"{seconds(state.pulse.offset_s)} by its pulse"
    return UNKNOWN if state.offset_s is None else f"{seconds(state.offset_s)}, the wire's delay included"


def source(state: GpsState) -> str:
    """Return where it comes from."""
    where = f"gpsd at {state.source.name}" if state.source.device else state.source.name
    parts = [where, state.source.device, state.source.driver, f"{state.source.baud} baud" if state.source.baud else ""]
    return ", ".join(part for part in parts if part)


def clock(state: GpsState) -> str:
    """Return what chrony makes of it."""
    if state.chrony is None:
        return UNKNOWN
    tracking = state.chrony.tracking
    if state.chrony.problem or tracking is None:
        return state.chrony.problem or "chrony says nothing"
    if not tracking.reference:
        return "chrony follows nothing yet"
    return f"chrony follows {tracking.reference}, stratum {tracking.stratum}, clock off by {seconds(tracking.offset_s)}"


def time_source(one: TimeSource) -> tuple[str, ...]:
    """Return what chrony says of one source."""
    sampled = one.last_sample_s is not None
    offset, error = (seconds(one.offset_s), seconds(one.error_s).lstrip("+")) if sampled else (UNKNOWN, UNKNOWN)
    return (one.name, one.kind, one.chosen, str(one.stratum), f"{one.reach:03o}", offset, error)


def facts(state: GpsState) -> tuple[tuple[str, str], ...]:
    """Return all of it, line by line: what, and how it is."""
    fix_, counts = state.fix, state.counts
    wrong = f", {counts.wrong} without a right checksum" if counts.wrong else ""
    facts = (
        ("source", source(state)),
        ("fix", fix(fix_)),
        ("time", time(fix_)),
        ("offset", offset(state)),
        ("position", place(fix_)),
        ("height", height(fix_)),
        ("speed", motion(fix_)),
        ("in view", f"{state.sky.visible} satellites, {state.sky.used} used" if state.sky.satellites else UNKNOWN),
        ("read", f"{counts.sentences} sentences{wrong}"),
        ("clock", clock(state)),
    )
    return (*facts, ("problem", state.problem)) if state.problem else facts
