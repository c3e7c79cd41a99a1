"""What is wrong with a receiver, or with what is made of it, and the cure: rules over one observation. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

from pibramble.gps import doctor_programs, words
from pibramble.gps.calendar import ROUND, unrolled
from pibramble.gps.detect import Attempt
from pibramble.gps.findings import FEW, Finding, Observation, Severity
from pibramble.gps.model import Chosen, Chrony, Mode
from pibramble.gps.protocols import Protocol, Sound

_FAINT_DBHZ = 25  # below it a signal is heard but its message is not read
_NEAR = dt.timedelta(days=366)  # of this machine's clock, which may have stood still for a while
_MANY_WRONG = 0.05  # share of wrong checksums that a good wire never has
# UTC lags GPS time by this many seconds since 2017; a receiver that has not heard so yet is off by the difference to
# what its firmware knows.
_MOST_LEAP_S = 18
_NEAR_WHOLE_S = 0.15
_OFF_S = 0.9  # a message takes up to that long: less says nothing


def examine(observation: Observation) -> tuple[Finding, ...]:
    """Apply every rule, and return what each found, in the order from the wire to the clock."""
    return tuple(finding for rule in _RULES for finding in rule(observation))


# --- the wire --------------------------------------------------------------------------------------------------------


def _line(seen: Observation) -> Iterator[Finding]:
    """Say what comes over the port: nothing, noise, a console, or a receiver at another speed than asked for."""
    if not seen.attempts:
        return
    sounds = {attempt.heard.sound for attempt in seen.attempts}
    receivers = [attempt for attempt in seen.attempts if attempt.heard.sound is Sound.RECEIVER]
    if receivers:
        yield from _receiver(seen, receivers[0])
    elif sounds == {Sound.SILENT}:
        yield Finding(
            "no-data",
            Severity.PROBLEM,
            f"not a byte comes from {seen.port}",
            "is the receiver powered, and is its TX wired to this port's RX, with a common ground? "
            "Some speak only after a minute: `--seconds 60`. A console's cable is as silent until somebody presses "
            "Enter: `ls -l /dev/serial/by-id/` tells adapters apart",
        )
    elif readable := [a for a in seen.attempts if a.heard.sound in {Sound.CONSOLE, Sound.TEXT}]:
        attempt = max(readable, key=lambda one: one.heard.printable)
        kind = (
            "the console of a computer or a switch"
            if attempt.heard.sound is Sound.CONSOLE
            else "text, and none of a receiver's"
        )
        yield Finding(
            "console-cable",
            Severity.PROBLEM,
            f"{seen.port} carries {kind}, at {attempt.baud} baud",
            "name the receiver's own port: `ls -l /dev/serial/by-id/` tells adapters apart; "
            'keep gpsd from taking this one (USBAUTO="false")',
        )
    else:
        best = max(seen.attempts, key=lambda attempt: attempt.heard.printable)
        yield Finding(
            "noise",
            Severity.PROBLEM,
            f"{seen.port} makes noise at every speed that was tried ({best.heard.evidence} at {best.baud} baud)",
            "RS-232 wired to a logic-level input looks like this (inverted; it may kill a Pi's pin: put a MAX3232 "
            "between), and so does a missing ground wire",
        )


def _receiver(seen: Observation, attempt: Attempt) -> Iterator[Finding]:
    if seen.wanted_baud is not None and attempt.baud != seen.wanted_baud:
        yield Finding(
            "wrong-speed",
            Severity.PROBLEM,
            f"{seen.port} speaks at {attempt.baud} baud, not at {seen.wanted_baud} ({attempt.heard.evidence})",
            f'`baud = {attempt.baud}` in [gps], or `baud = "auto"`',
        )
    protocol = attempt.heard.protocol
    if protocol is not None and Protocol.NMEA not in attempt.heard.frames:
        yield Finding(
            "not-nmea",
            Severity.WARNING,
            f"the receiver speaks {protocol} ({attempt.heard.evidence})",
            "gpsd reads it, pibramble's own reader does not: `pibramble gps` without a port asks gpsd",
        )
    yield Finding("line", Severity.GOOD, f"{seen.port}: {attempt.heard.evidence} at {attempt.baud} baud")


def _log(seen: Observation) -> Iterator[Finding]:
    if seen.log is None:
        return
    evidence = f"{seen.port} holds {seen.log.protocol or seen.log.sound} ({seen.log.evidence})"
    if seen.log.sound is Sound.RECEIVER:
        cure = "gpsfake plays it to gpsd, which reads it; pibramble's own reader reads NMEA 0183 only"
        yield Finding("not-nmea", Severity.PROBLEM, evidence, cure)
    else:
        cure = "`pibramble gps record PORT LOG` makes a log of what a receiver says"
        yield Finding("no-receiver", Severity.PROBLEM, f"{evidence}, and no receiver's sentence", cure)


def _checksums(seen: Observation) -> Iterator[Finding]:
    counts = seen.state.counts if seen.state else None
    if counts is None or counts.sentences + counts.wrong < FEW:
        return
    share = counts.wrong / (counts.sentences + counts.wrong)
    if share > _MANY_WRONG:
        yield Finding(
            "checksums",
            Severity.WARNING,
            f"{share:.0%} of the sentences have no right checksum",
            "a long or unshielded wire, a loose ground, a speed that is slightly off, or two programs at one port",
        )


# --- the receiver ----------------------------------------------------------------------------------------------------


def _fix(seen: Observation) -> Iterator[Finding]:
    if seen.said_nothing or seen.state is None:
        return
    fix, sky = seen.state.fix, seen.state.sky
    if fix.mode >= Mode.THREE_D:
        used = f" with {fix.satellites_used} satellites" if fix.satellites_used is not None else ""
        yield Finding("fix", Severity.GOOD, f"a 3D fix{used}")
        return
    heard = [s.signal_dbhz for s in sky.satellites if s.signal_dbhz]
    strength = f"the strongest of {len(heard)} signals has {max(heard):.0f} dB-Hz" if heard else "no satellite is heard"
    if fix.mode is Mode.TWO_D:
        yield Finding(
            "2d-only",
            Severity.WARNING,
            f"a 2D fix only: the height is a guess, and the time is worse for it ({strength})",
            "three satellites are used, a height takes four: move the antenna to where it sees more of the sky",
        )
    elif not heard:
        cure = "is the antenna plugged in, and does it see the sky? Indoors most receivers hear nothing at all"
        yield Finding("no-fix", Severity.PROBLEM, f"no fix: {strength}", cure)
    elif max(heard) < _FAINT_DBHZ:
        cure = (
            "the signals are too faint to be read: a window, or better the open sky; "
            "a metal roof or coated glass shuts them out"
        )
        yield Finding("no-fix", Severity.PROBLEM, f"no fix: {strength}", cure)
    else:
        cure = (
            "wait: after a cold start it takes half a minute under the open sky, and up to 12.5 minutes for the almanac"
        )
        yield Finding("no-fix", Severity.WARNING, f"no fix yet: {strength}", cure)


def _weeks(seen: Observation) -> Iterator[Finding]:
    if not seen.live or seen.state is None or seen.state.fix.time is None:
        return
    said = seen.state.fix.time
    meant = unrolled(said)
    if meant is None:
        return
    weeks = round((meant - said).days / 7)
    what = f"the receiver says {said:%Y-%m-%d}, a day that is past"
    if abs(meant - seen.now) < _NEAR:
        yield Finding(
            "week-rollover",
            Severity.PROBLEM,
            f"{what}: its week number has rolled over. With {weeks} weeks more it would be {meant:%Y-%m-%d}",
            "an update of its firmware, or another receiver. Its time of day is right, but chrony would take the date "
            "too: give the cluster another source of time (`ntp`), and leave this one out",
        )
        return
    yield Finding(
        "week-rollover",
        Severity.PROBLEM,
        f"{what}. With {weeks} weeks more it would be {meant:%Y-%m-%d}; this machine's clock says {seen.now:%Y-%m-%d}",
        "a replayed log, or a receiver without a fix that goes by a clock of its own: wait for a fix. If it stays so, "
        "its week number may have rolled over, and this machine's clock be wrong as well",
    )


def _date(seen: Observation) -> Iterator[Finding]:
    if seen.state is not None and seen.state.fix.located and seen.state.fix.time is None:
        yield Finding(
            "no-date",
            Severity.WARNING,
            "the receiver says where it is, but not what day it is",
            "it sends neither RMC nor ZDA: switch one of them on",
        )


def _clock(seen: Observation) -> Iterator[Finding]:
    """Say that the receiver and this machine's clock are farther apart than leap seconds: one of them is wrong."""
    state = seen.state
    said = state.fix.time if state else None
    if not seen.live or state is None or said is None or not state.fix.located or unrolled(said) is not None:
        return
    off_s = state.offset_s if state.offset_s is not None else (seen.now - said).total_seconds()
    if abs(off_s) <= _MOST_LEAP_S + _OFF_S:
        return
    apart = f"the receiver says {said:%Y-%m-%d %H:%M:%S} UTC, this machine's clock is {words.seconds(off_s)} off that"
    if abs(said - ROUND - seen.now) < _NEAR:
        yield Finding(
            "week-rollover",
            Severity.PROBLEM,
            f"{apart}. With 1024 weeks less it would be {said - ROUND:%Y-%m-%d}: one round of weeks too many was added",
            "an update of its firmware, or another receiver; leave this one out",
        )
    elif other := _elsewhere(seen.chronys):
        yield Finding(
            "clock",
            Severity.PROBLEM,
            f"{apart}; chrony follows {other}, so it is the receiver that is wrong",
            "a receiver without a fix for long goes by a clock of its own: wait for a new fix, or restart the receiver",
        )
    else:
        yield Finding(
            "clock",
            Severity.WARNING,
            apart,
            "a board has no clock that runs while it is off. chrony steps it when gpsd has seen three fixes in a row: "
            "`chronyc tracking` shows it, `sudo chronyc makestep` steps at once",
        )


def _leap(seen: Observation) -> Iterator[Finding]:
    """Tell a receiver whose UTC is off by whole seconds because it has not heard of the leap seconds yet."""
    state = seen.state
    if not seen.live or state is None or not state.fix.located or state.leap_seconds is not None:
        return
    cure = "wait 12.5 minutes under the open sky after a cold start: the satellites repeat the number that often"
    off_s = state.offset_s
    if off_s is not None and _elsewhere(seen.chronys) and _OFF_S < abs(off_s) <= _MOST_LEAP_S + _OFF_S:
        # The message comes late by a part of a second, so what is left are whole seconds and that part.
        whole = round(off_s - 0.3)
        if whole and abs(off_s - 0.3 - whole) <= 0.3 + _NEAR_WHOLE_S:
            yield Finding(
                "leap-seconds",
                Severity.PROBLEM,
                f"the receiver is off by about {abs(whole)} s against this machine's clock, which follows another "
                "source: it does not know the leap seconds yet",
                cure,
            )
            return
    yield Finding(
        "leap-seconds",
        Severity.NOTE,
        "the receiver does not say whether it knows the leap seconds (NMEA has no word for it): "
        "until it does, its time is off by whole seconds",
        cure,
    )


def _elsewhere(chrony: Chrony | None) -> str:
    """Return what the system's clock follows where that is no receiver; empty where it is one, or nothing."""
    best = [source for source in chrony.sources if source.chosen is Chosen.BEST] if chrony else []
    return best[0].name if best and best[0].kind != "reference clock" else ""


_RULES: tuple[Callable[[Observation], Iterator[Finding]], ...] = (
    _line,
    _log,
    _checksums,
    _fix,
    _weeks,
    _date,
    _clock,
    _leap,
    doctor_programs.gpsd,
    doctor_programs.chrony,
)
