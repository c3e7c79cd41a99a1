"""The doctor's rules about gpsd and chrony. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pibramble.gps import words
from pibramble.gps.findings import Finding, Observation, Service, Severity
from pibramble.gps.model import Chosen, Chrony


def gpsd(seen: Observation) -> Iterator[Finding]:
    """Say whether gpsd runs, and hears a receiver."""
    problem = seen.state.problem if seen.state else ""
    match seen.gpsd:
        case Service.MISSING:
            yield Finding(
                "gpsd",
                Severity.PROBLEM,
                "gpsd is not installed",
                "`sudo apt-get install gpsd`; on a head the cards bring it",
            )
        case Service.SILENT:
            yield Finding(
                "gpsd",
                Severity.PROBLEM,
                f"gpsd does not answer: {seen.gpsd_problem}",
                "`sudo systemctl status gpsd.socket gpsd` says why; `sudo systemctl start gpsd.socket` starts it",
            )
        case Service.TALKING if seen.said_nothing or problem:
            device = seen.state.source.device if seen.state else ""
            yield Finding(
                "gpsd",
                Severity.PROBLEM,
                problem or f"gpsd has heard nothing of a receiver{device and f' at {device}'}",
                "`DEVICES` in /etc/default/gpsd names the port, `-s` in GPSD_OPTIONS its speed; "
                f"`pibramble gps detect {device or 'PORT'}` says whether a receiver is there, and how fast it speaks "
                "(stop gpsd for it: `sudo systemctl stop gpsd.socket gpsd`)",
            )
        case Service.TALKING:
            of = f" of {seen.state.source.device}" if seen.state and seen.state.source.device else ""
            yield Finding("gpsd", Severity.GOOD, f"gpsd answers{of}")
        case Service.UNASKED:
            return


def chrony(seen: Observation) -> Iterator[Finding]:
    """Say whether chronyd runs, and what it makes of the receiver."""
    match seen.chrony:
        case Service.MISSING:
            yield Finding(
                "chrony",
                Severity.PROBLEM,
                "chrony is not installed: nothing sets the clock by the receiver",
                "`sudo apt-get install chrony`; it takes the place of other time keepers",
            )
        case Service.SILENT:
            said = seen.chronys.problem if seen.chronys else ""
            yield Finding(
                "chrony",
                Severity.PROBLEM,
                said or "chronyd does not answer",
                "`sudo systemctl status chrony` says why; `sudo systemctl start chrony` starts it",
            )
        case Service.TALKING if seen.chronys is not None:
            yield from _clocks(seen.chronys)
        case _:
            return


def _clocks(chrony: Chrony) -> Iterator[Finding]:
    clocks = [source for source in chrony.sources if source.kind == "reference clock"]
    if not clocks:
        yield Finding(
            "chrony",
            Severity.WARNING,
            "chrony has no receiver among its sources",
            "[gps] in the cluster file writes the `refclock` lines; `pibramble files HEAD` shows them",
        )
        return
    for clock in clocks:
        off, error = words.seconds(clock.offset_s), words.seconds(clock.error_s).lstrip("+")
        if not clock.reach:
            yield Finding(
                "chrony",
                Severity.PROBLEM,
                f"chrony has heard nothing of {clock.name} yet",
                "gpsd passes time on after three fixes in a row, and only to a socket that was there when it started: "
                "`sudo systemctl restart gpsd`",
            )
        elif clock.chosen is Chosen.FALSE:
            yield Finding(
                "chrony",
                Severity.PROBLEM,
                f"chrony takes {clock.name} for false: it is {off} off what the other sources say",
                "is its `offset` right? Messages come late by what the wire takes; whole seconds are leap seconds",
            )
        elif clock.chosen in {Chosen.VARIABLE, Chosen.UNUSABLE}:
            yield Finding(
                "chrony",
                Severity.WARNING,
                f"chrony does not use {clock.name} yet: it is {clock.chosen}, with an error of {error}",
                "it takes three looks, 8 s apart. If it stays so, its sentences come too irregularly: a fixed `baud`, "
                "fewer sentences a second, or a pulse (`pps`)",
            )
        else:
            yield Finding("chrony", Severity.GOOD, f"chrony: {clock.name} is {clock.chosen}, {off}")
