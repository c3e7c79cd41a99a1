"""What the head calls its ends of the wires."""

from __future__ import annotations

import pytest

from pibramble.plan.interfaces import link_names

RESERVED = {"eth0", "bramble", "uplink"}


def test_a_link_is_called_after_its_worker() -> None:
    assert link_names(["zero1", "rack-a-07"], RESERVED) == ("zero1", "rack-a-07")


@pytest.mark.parametrize(
    "name", ["a-name-of-16-by-", "eth0", "bramble", "uplink", "lo", "all", "default", "usb0", "eth7", "wlan1", "a.b"]
)
def test_names_the_kernel_or_the_head_needs_are_left_alone(name: str) -> None:
    assert link_names(["zero1", name, "zero2"], RESERVED) == ("zero1", "link1", "zero2")


def test_fifteen_bytes_fit() -> None:
    assert link_names(["exactly-fifteen"], RESERVED) == ("exactly-fifteen",)


def test_a_worker_that_is_called_link1_keeps_its_name() -> None:
    assert link_names(["lo", "link1", "all"], RESERVED) == ("link2", "link1", "link3")
