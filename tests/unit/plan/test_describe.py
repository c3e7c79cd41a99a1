"""The plan, as people read it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pibramble.plan.describe import describe, rate
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster

GOLDEN = Path(__file__).parents[2] / "golden" / "plan"


def test_the_tables_of_a_cluster_with_every_kind_of_wire(mixed: Cluster) -> None:
    found = describe(resolve(mixed))
    facts = [f"{what}: {how}" for what, how in found.facts]
    text = "\n".join([found.title, *facts, *found.nodes.lines(), *found.wires.lines(), found.footnote]) + "\n"
    golden = GOLDEN / "mixed.txt"
    if os.environ.get("PIBRAMBLE_REGENERATE"):
        golden.write_text(text)
    assert text == golden.read_text(), "PIBRAMBLE_REGENERATE=1 accepts the new tables"


def test_tables_of_usual_names_fit_eighty_columns(mixed: Cluster) -> None:
    found = describe(resolve(mixed))
    assert max(map(len, found.nodes.lines())) <= 80
    assert max(map(len, found.wires.lines())) <= 80


def test_measured_rates_need_no_footnote(mixed: Cluster) -> None:
    measured = Cluster(head=mixed.head, workers=mixed.workers[2:])
    assert describe(resolve(measured)).footnote == ""
    assert "*" in "".join(describe(resolve(mixed)).nodes.lines())


@pytest.mark.parametrize(
    ("bps", "text"),
    [(737_280, "737 kbit/s"), (90_000_000, "90 Mbit/s"), (1_000_000_000, "1 Gbit/s"), (960, "960 bit/s")],
)
def test_rates_are_written_as_people_do(bps: int, text: str) -> None:
    assert rate(bps) == text
