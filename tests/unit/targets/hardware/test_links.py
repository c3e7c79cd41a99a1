"""From what the kernel says of a link to what is done about it, and to what a person is told."""

from __future__ import annotations

import attrs
import pytest

from pibramble.plan.model import BRIDGE, NodePlan
from pibramble.plan.resolve import resolve
from pibramble.targets.hardware import links
from pibramble.targets.hardware.diagnose import brief, diagnose
from pibramble.targets.hardware.links import Trouble
from pibramble.targets.hardware.look import Interface, Seen, UsbDevice
from tests.unit.files.disks import CLUSTER

PLAN = resolve(CLUSTER)
ZERO1, APLUS, FOUR = (PLAN.node(name) for name in ("zero1", "aplus", "four"))
UNIT = "pibramble-ppp@aplus.service"


def well(node: NodePlan) -> Interface:
    assert node.link
    name = links.interface_of(node.link)
    return Interface(name, node.link.head_mac or "", up=True, carrier=True, bridge=BRIDGE if node.link.bridged else "")


ALL_WELL = {well(worker).name: well(worker) for worker in PLAN.workers}


def but(node: NodePlan, **changes: object) -> dict[str, Interface]:
    """Return interfaces that are well, but for one."""
    there = well(node)
    return {**ALL_WELL, there.name: attrs.evolve(there, **changes)}  # type: ignore[arg-type]


def without(node: NodePlan, *others: Interface) -> dict[str, Interface]:
    kept = {name: interface for name, interface in ALL_WELL.items() if name != well(node).name}
    return kept | {other.name: other for other in others}


def test_links_that_are_well_are_no_trouble() -> None:
    assert links.troubles(PLAN, ALL_WELL) == {}


@pytest.mark.parametrize(
    ("node", "interfaces", "trouble"),
    [
        (ZERO1, without(ZERO1), Trouble.ABSENT),
        (ZERO1, without(ZERO1, attrs.evolve(well(ZERO1), name="usb0")), Trouble.MISNAMED),
        (ZERO1, but(ZERO1, mac="0a:00:00:00:00:99"), Trouble.FOREIGN),
        (ZERO1, but(ZERO1, up=False, carrier=False), Trouble.DOWN),
        (ZERO1, but(ZERO1, bridge=""), Trouble.UNBRIDGED),
        (ZERO1, but(ZERO1, carrier=False), Trouble.SILENT),
        (APLUS, without(APLUS), Trouble.ABSENT),
        (APLUS, but(APLUS, up=False), Trouble.DOWN),
        (FOUR, but(FOUR, carrier=False), Trouble.SILENT),
        (FOUR, but(FOUR, mac="b8:27:eb:00:00:01"), None),  # an Ethernet port of the head keeps its own address
    ],
)
def test_each_trouble_is_told_from_the_others(
    node: NodePlan, interfaces: dict[str, Interface], trouble: Trouble | None
) -> None:
    assert links.troubles(PLAN, interfaces) == ({node.name: trouble} if trouble else {})


@pytest.mark.parametrize(
    ("node", "trouble", "seen", "commands"),
    [
        (ZERO1, Trouble.DOWN, Seen(ALL_WELL), ["ip link set dev zero1 master bramble", "ip link set dev zero1 up"]),
        (FOUR, Trouble.UNBRIDGED, Seen(ALL_WELL), ["ip link set dev eth1 master bramble", "ip link set dev eth1 up"]),
        (
            ZERO1,
            Trouble.MISNAMED,
            Seen(without(ZERO1, attrs.evolve(well(ZERO1), name="usb0"))),
            [
                "ip link set dev usb0 down",
                "ip link set dev usb0 name zero1",
                "ip link set dev zero1 master bramble",
                "ip link set dev zero1 up",
            ],
        ),
        (ZERO1, Trouble.ABSENT, Seen({}, usb=(UsbDevice("0525:a4a2", "zero1"),)), ["modprobe cdc_ether"]),
        (APLUS, Trouble.ABSENT, Seen({}, units={UNIT: "failed"}), [f"systemctl restart {UNIT}"]),
    ],
)
def test_what_the_head_can_do_it_does(node: NodePlan, trouble: Trouble, seen: Seen, commands: list[str]) -> None:
    repair = links.repair(node, trouble, seen)
    assert repair
    assert [" ".join(words) for words in repair.commands] == commands


@pytest.mark.parametrize(
    ("node", "trouble", "seen"),
    [
        (ZERO1, Trouble.ABSENT, Seen({})),
        (ZERO1, Trouble.FOREIGN, Seen(ALL_WELL)),
        (ZERO1, Trouble.SILENT, Seen(ALL_WELL)),
        (APLUS, Trouble.ABSENT, Seen({}, units={UNIT: "active"})),  # pppd is at it: restarting it would set it back
        (APLUS, Trouble.ABSENT, Seen({})),
        (FOUR, Trouble.ABSENT, Seen({})),
    ],
)
def test_what_takes_a_person_is_left_to_one(node: NodePlan, trouble: Trouble, seen: Seen) -> None:
    assert links.repair(node, trouble, seen) is None


def test_only_a_serial_link_whose_pppd_runs_may_come_by_itself() -> None:
    assert links.takes_time(APLUS, Seen({}, units={UNIT: "active"}))
    assert not links.takes_time(APLUS, Seen({}, units={UNIT: "failed"}))
    assert not links.takes_time(ZERO1, Seen({}))


@pytest.mark.parametrize(
    ("node", "trouble", "seen", "said", "hint"),
    [
        (ZERO1, Trouble.ABSENT, Seen({}), "nothing of it is on the USB", "cable"),
        (ZERO1, Trouble.ABSENT, Seen({}, usb=(UsbDevice("0a5c:2763", ""),)), "finds no card", "push the card in"),
        (ZERO1, Trouble.ABSENT, Seen({}, usb=(UsbDevice("0525:a4a2", "zero1"),)), "no driver", "dmesg"),
        (
            ZERO1,
            Trouble.ABSENT,
            Seen({"usb0": Interface("usb0", "0a:00:00:00:00:99", up=True, carrier=True, bridge="")}),
            "usb0 (0a:00:00:00:00:99)",
            "another cluster",
        ),
        (
            ZERO1,
            Trouble.FOREIGN,
            Seen(but(ZERO1, mac="0a:00:00:00:00:99")),
            "0a:00:00:00:00:99 instead of",
            "card write",
        ),
        (ZERO1, Trouble.SILENT, Seen(ALL_WELL), "no carrier", "still starting"),
        (ZERO1, Trouble.UNBRIDGED, Seen(ALL_WELL), "could not be made a port", "networkctl"),
        (APLUS, Trouble.ABSENT, Seen({}), "there is no /dev/ttyAMA0", "config.txt"),
        (
            APLUS,
            Trouble.ABSENT,
            Seen({}, ports=frozenset({"/dev/ttyAMA0"}), units={UNIT: "active"}),
            "nobody answers on /dev/ttyAMA0",
            "921600 baud",
        ),
        (
            APLUS,
            Trouble.DOWN,
            Seen({}, ports=frozenset({"/dev/ttyAMA0"}), units={UNIT: "failed"}),
            f"{UNIT} is failed",
            f"journalctl -u {UNIT}",
        ),
        (FOUR, Trouble.SILENT, Seen(ALL_WELL), "eth1 has no carrier", "switch"),
        (FOUR, Trouble.ABSENT, Seen({}), "no interface eth1", "adapter"),
    ],
)
def test_a_person_is_told_the_cause_and_the_cure(
    node: NodePlan, trouble: Trouble, seen: Seen, said: str, hint: str
) -> None:
    told = diagnose(PLAN, node, trouble, seen)
    assert said in told.said
    assert hint in told.hint


@pytest.mark.parametrize("trouble", list(Trouble))
def test_every_trouble_has_its_words_for_status(trouble: Trouble) -> None:
    assert "zero1" in brief(ZERO1, trouble).said
    assert "pibramble up" in brief(ZERO1, trouble).hint
