"""Our rtnetlink against what ip(8) and tc(8) say afterwards, in a network namespace of the test's own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.lab

PREPARE = """
import os, subprocess, sys, json
from pibramble.targets.lab.rtnetlink import Rtnetlink, VethEnd
kernel = Rtnetlink()
here = os.open("/proc/self/ns/net", os.O_RDONLY)
def said(*argv): return json.loads(subprocess.run([*argv], capture_output=True, check=True).stdout)
def refused(call, *args):
    try:
        call(*args)
    except OSError as error:
        return str(error)
kernel.set_up("lo")
kernel.add_bridge("bramble", "02:00:00:00:00:01")
kernel.set_up("bramble")
kernel.add_address("bramble", "192.168.7.1", 24)
kernel.add_veth(VethEnd("zero1", "02:00:00:00:00:02"), VethEnd("far", "02:00:00:00:00:03"), 1400, here)
"""


def in_a_namespace(script: str) -> Any:  # noqa: ANN401 (whatever the script prints)
    argv = ["unshare", "--net", "--map-root-user", "--user", sys.executable, "-c", PREPARE + script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_wire_has_its_names_addresses_and_frame_size_at_both_ends() -> None:
    links = in_a_namespace('print(json.dumps(said("ip", "-json", "link")))')
    ends = {link["ifname"]: (link["address"], link["mtu"], link.get("link")) for link in links}
    assert ends["zero1"] == ("02:00:00:00:00:02", 1400, "far")
    assert ends["far"] == ("02:00:00:00:00:03", 1400, "zero1")


def test_a_port_belongs_to_its_bridge_is_up_and_has_no_address_of_its_own() -> None:
    port, bridge = in_a_namespace(
        'kernel.set_up("zero1", master="bramble"); kernel.set_up("far")\n'
        'print(json.dumps([said("ip", "-json", "addr", "show", name)[0] for name in ("zero1", "bramble")]))'
    )
    assert port["master"] == "bramble"
    assert "UP" in port["flags"]
    assert port["addr_info"] == []
    assert [(a["local"], a["prefixlen"]) for a in bridge["addr_info"]] == [("192.168.7.1", 24)]


def test_a_wire_between_two_has_a_peer_a_default_route_and_an_answer_for_its_address() -> None:
    address, routes, proxies = in_a_namespace(
        'kernel.set_up("far"); kernel.add_address("far", "192.168.7.6", 32, peer="192.168.7.9")\n'
        'kernel.add_default_route("far", "192.168.7.9"); kernel.answer_for("bramble", "192.168.7.6")\n'
        'print(json.dumps([said("ip", "-json", "-4", "addr", "show", "far"), said("ip", "-json", "route"), '
        'said("ip", "-json", "neigh", "show", "proxy")]))'
    )
    (info,) = address[0]["addr_info"]
    assert (info["local"], info["address"], info["prefixlen"]) == ("192.168.7.6", "192.168.7.9", 32)
    default = next(route for route in routes if route["dst"] == "default")
    assert (default["gateway"], default["dev"]) == ("192.168.7.9", "far")
    assert [(proxy["dst"], proxy["dev"]) for proxy in proxies] == [("192.168.7.6", "bramble")]


@pytest.mark.parametrize("rate_bps", [737_280, 90_000_000, 40_000_000_000])
def test_a_shaped_end_lets_through_what_it_was_told_also_when_told_again(rate_bps: int) -> None:
    (shaped,) = in_a_namespace(
        f'kernel.shape("zero1", 9600, 3028, 40000); kernel.shape("zero1", {rate_bps}, 400000, 900000)\n'
        'print(json.dumps(said("tc", "-json", "qdisc", "show", "dev", "zero1")))'
    )
    assert shaped["kind"] == "tbf"
    assert shaped["options"]["rate"] * 8 == rate_bps
    assert shaped["options"]["burst"] == pytest.approx(400_000, rel=0.02)


def test_what_the_kernel_refuses_is_said_in_words() -> None:
    twice, long, nowhere = in_a_namespace(
        'print(json.dumps([refused(kernel.add_bridge, "bramble", "02:00:00:00:00:01"), '
        'refused(kernel.add_bridge, "x" * 20, "02:00:00:00:00:01"), '
        'refused(kernel.add_default_route, "bramble", "0.0.0.0")]))'
    )
    assert twice == "[Errno 17] make bramble: File exists"
    assert long.startswith("[Errno 34] make xxxxxxxxxxxxxxxxxxxx: ")
    assert nowhere.startswith("[Errno 22] add default route by 0.0.0.0: Invalid argument")
