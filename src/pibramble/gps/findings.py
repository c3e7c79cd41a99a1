"""What the doctor looks at, and what it finds."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import attrs

from pibramble.gps.detect import Attempt
from pibramble.gps.model import Chrony, GpsState, Mode
from pibramble.gps.protocols import Heard

FEW = 20  # sentences: fewer tell no share of wrong ones


class Service(StrEnum):
    """How it stands with a program that should be at work."""

    TALKING = "talking"
    SILENT = "not talking"
    MISSING = "not installed"
    UNASKED = "not asked"


class Severity(StrEnum):
    """How bad it is."""

    GOOD = "good"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@attrs.frozen
class Finding:
    """What one rule found."""

    rule: str
    severity: Severity
    what: str
    cure: str = ""


@attrs.frozen
class Observation:
    """All that the rules look at. None or empty: it was not looked at."""

    now: dt.datetime  # the system's clock
    port: str = ""
    wanted_baud: int | None = None  # the speed that was asked for
    attempts: tuple[Attempt, ...] = ()  # what was heard of the port, speed by speed
    log: Heard | None = None  # what is in a log in which there is no sentence
    state: GpsState | None = None  # the last that the receiver or gpsd said
    live: bool = True  # not a log, whose days are past
    gpsd: Service = Service.UNASKED
    gpsd_problem: str = ""
    chrony: Service = Service.UNASKED
    chronys: Chrony | None = None

    @property
    def said_nothing(self) -> bool:
        """Say whether nothing has been heard of a receiver."""
        state = self.state
        return state is None or (not state.counts.epochs and state.fix.mode is Mode.UNKNOWN)
