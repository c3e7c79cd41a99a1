"""What the lab makes of the plan's links."""

from __future__ import annotations

import pytest

from pibramble.targets.lab.links import shape


@pytest.mark.parametrize("rate_bps", [9_600, 737_280, 150_000_000, 1_000_000_000])
def test_a_bucket_holds_a_whole_frame_and_what_flows_between_two_ticks(rate_bps: int) -> None:
    bucket = shape(rate_bps, mtu=1500)
    assert bucket["rate_bps"] == rate_bps
    assert bucket["burst_bytes"] >= 1514
    assert bucket["burst_bytes"] * 250 * 8 >= rate_bps - 8 * 250
    assert bucket["limit_bytes"] >= bucket["burst_bytes"] + 20 * 1514
