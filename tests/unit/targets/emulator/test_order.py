"""What the command and the keeper say to each other arrives as it was meant."""

from __future__ import annotations

import json

from pibramble.serialise import plain
from pibramble.targets.emulator.order import Facts, LineOrder, LinkFacts, NodeFacts, NodeOrder, Order


def test_an_order_arrives_as_it_was_given() -> None:
    order = Order(
        nodes={"head": NodeOrder(("qemu", "-append", "a b, 'c'"), "/console log", "/errors")},
        lines={"aplus": LineOrder("/a.head", "/a.worker", 921_600), "bplus": LineOrder("/b.head", "/b.worker", None)},
        control="/run/keeper",
        cables_fd=7,
        token="secret",  # noqa: S106 (a test's)
    )
    assert Order.read(order.text()) == order


def test_facts_arrive_as_they_were_said() -> None:
    facts = Facts(
        nodes={
            "head": NodeFacts(running=True, starts=2),
            "zero1": NodeFacts(running=False, starts=1, ended="unplugged"),
        },
        links={
            "aplus": LinkFacts(joined=False, to_worker_bytes=10, to_head_bytes=0, lost_bytes=3),
            "zero1": LinkFacts(joined=True, plugged=2, vain=1),
        },
    )
    assert Facts.read(json.loads(json.dumps(plain(facts)))) == facts
