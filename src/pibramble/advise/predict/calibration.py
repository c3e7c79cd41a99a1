"""What was measured on a running cluster, as far as a prediction needs it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

import attrs

from pibramble.spec.model import Link


class Sample(NamedTuple):
    """One size of message, or of vector, and how long it took."""

    size_bytes: int
    median_s: float
    shortest_s: float
    times: int  # how often it was measured


class Traffic(StrEnum):
    """How a program uses its wires. It matters where a wire gains from resting: in a lab, behind large buffers."""

    ONE_WAY = "one-way"  # one message at a time, to and fro
    BOTH_WAYS = "both-ways"  # as in most collectives


Curve = tuple[Sample, ...]  # by size, the smallest first
Pair = tuple[Link, Link]  # the wires at both ends


def pair(one: Link, other: Link) -> Pair:
    """Return the two wires in one order, whoever sends."""
    first, second = sorted((one, other))
    return first, second


@attrs.frozen
class Calibration:
    """Speeds and wires as `pibramble bench` found them."""

    run: str = ""  # the id of the run; empty: there is none
    speeds: Mapping[str, float] = MappingProxyType({})  # board -> intervals a second of one core (bench/speed.c)
    ping_pong: Mapping[Pair, Curve] = MappingProxyType({})  # one way of it
    exchange: Mapping[Pair, Curve] = MappingProxyType({})  # both ways at once

    def curves(self, traffic: Traffic) -> Mapping[Pair, Curve]:
        """Return how long messages take in a program with such traffic."""
        return self.ping_pong if traffic is Traffic.ONE_WAY else self.exchange


NOTHING_MEASURED = Calibration()
