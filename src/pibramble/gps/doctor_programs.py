"""The doctor's rules about gpsd and chrony. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pibramble.gps.findings import Finding, Observation, Service, Severity
from pibramble.gps.model import Chosen, Chrony


def gpsd(seen: Observation) -> Iterator[Finding]:
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
                "`systemctl status gpsd.socket gpsd` says why; `sudo systemctl start gpsd.socket` starts it",
            )
        case Service.TALKING if seen.said_nothing or problem:
            yield Finding(
                "gpsd",
                Severity.PROBLEM,
                problem or "gpsd has heard nothing of a receiver",
                "`DEVICES` in /etc/default/gpsd names the port; `pibramble gps detect PORT` says whether a receiver is "
                "there (stop gpsd for it: `sudo systemctl stop gpsd.socket gpsd`)",
            )
        case Service.TALKING:
            of = f" of {seen.state.source.device}" if seen.state and seen.state.source.device else ""
            yield Finding("gpsd", Severity.GOOD, f"gpsd answers{of}")
        case Service.UNASKED:
            return


def chrony(seen: Observation) -> Iterator[Finding]:
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
                "`systemctl status chrony` says why; `sudo systemctl start chrony` starts it",
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
                f"chrony takes {clock.name} for false: it is {clock.offset_s:+.3f} s off what the other sources say",
                "is its `offset` right? Messages come late by what the wire takes; whole seconds are leap seconds",
            )
        else:
            yield Finding("chrony", Severity.GOOD, f"chrony: {clock.name} is {clock.chosen}, {clock.offset_s:+.6f} s")
