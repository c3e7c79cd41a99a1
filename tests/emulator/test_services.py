"""A card with everything: a GPS receiver, a switch's console and Docker on the head, Docker on its worker."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.emulator import services
from tests.emulator.bench import Bench
from tests.unit.operate.swarm import images

pytestmark = [pytest.mark.emulator, pytest.mark.long, pytest.mark.timeout(3600)]

WEB = Path(__file__).parents[1] / "lab" / "swarm" / "web.c"
ENOUGH_S = 900
CLOCK_S = 60  # how far an emulated head's clock falls behind between two of chronyd's steps, and more
STACK = """\
version: "3.8"
services:
  app:
    image: web:1
    deploy:
      replicas: 1
      endpoint_mode: dnsrr
      placement:
        constraints: ["node.labels.link == usb"]
"""


def port(bench: Bench, use: str) -> Path:
    """Return the socket of a serial port."""
    [found] = [port for port in bench.json("emulator", "ports", "--json") if port["use"] == use]
    return Path(found["socket"])


def until(true: Callable[[], bool], what: str, timeout_s: float = ENOUGH_S) -> float:
    """Return how long it took, seconds."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + timeout_s, what
        time.sleep(5)
    return time.monotonic() - began


def clock_s(bench: Bench, node: str) -> float:
    """Return what a node's clock says; 0 when it does not answer, as one whose clock is just stepped may not."""
    [outcome] = bench.json("exec", "-w", node, "--json", "--", "date +%s")
    return float(outcome["stdout"] or 0)


def test_no_unit_has_failed(equipped: Bench) -> None:
    for node in ("head", "zero1"):
        assert equipped.on(node, "sudo systemctl --failed --no-legend --plain") == ""


def test_the_clocks_socket_is_there_before_gpsd(equipped: Bench) -> None:
    with services.receiver(equipped, port(equipped, "gps")):
        until(lambda: equipped.on("head", "sudo systemctl is-active gpsd || true") == "active", "gpsd runs")
        entered = equipped.on(
            "head", "sudo systemctl show --property ActiveEnterTimestampMonotonic --value chrony.service gpsd.service"
        )
        chrony, gpsd = (int(word) for word in entered.split())
        assert chrony < gpsd
        assert "/run/chrony.clk" in equipped.on("head", "sudo find /run -name 'chrony.clk.*.sock' -type s")


def test_gpsd_reads_the_uart_and_the_heads_clock_follows_it(equipped: Bench) -> None:
    """A UART, unlike a pseudo-terminal, gives gpsd's time to chronyd: a board that woke up months ago steps to today.

    The worker, which had the head's old time, follows. While there is a receiver, an emulated head's clock, at half the
    speed of ours, is stepped again and again, which a worker takes for a source that varies too much. So it goes away.
    """
    with services.receiver(equipped, port(equipped, "gps")):
        until(lambda: "3D" in equipped.run("exec", "-w", "head", "--", "pibramble gps --once").stdout, "a fix")
        took = until(
            lambda: bool(re.search(r"^#\* GPS", equipped.on("head", "chronyc -n sources"), re.MULTILINE)),
            "the receiver",
        )
        print(f"chosen after {took:.0f} s\n{equipped.on('head', 'chronyc -n sources; date')}")
        assert abs(float(equipped.on("head", "date +%s")) - time.time()) < CLOCK_S
        print(equipped.on("head", "pibramble gps --once"))
        heard = r"^\^[*?~] 192\.168\.7\.1 +\d+ +\d+ +(?!0 )\d+ "
        until(lambda: bool(re.search(heard, equipped.on("zero1", "chronyc -n sources"), re.MULTILINE)), "the head")
    took = until(lambda: abs(clock_s(equipped, "zero1") - clock_s(equipped, "head")) < CLOCK_S, "the worker's clock")
    print(f"the worker follows after {took:.0f} s\n{equipped.on('zero1', 'chronyc -n sources; date')}")
    steps = r"System clock was stepped by \d{7,}\."  # months
    assert re.search(steps, equipped.on("zero1", "sudo journalctl -b -u chrony --no-pager"))


def test_a_switch_is_asked_through_the_heads_broker(equipped: Bench) -> None:
    """`pibramble serve` runs as a unit, has the adapter open, and whoever is on the head talks to the device by it."""
    assert equipped.on("head", "sudo systemctl is-active pibramble-serve") == "active"
    with services.device(port(equipped, "sw1"), {"show clock": "*12:00:00.000 UTC Sat Nov 28 2026"}) as asked:
        said = equipped.on("head", "pibramble console sw1 --send 'show clock'", timeout_s=300)
        assert "*12:00:00.000 UTC" in said
        assert "show clock" in asked
        assert "sw1" in equipped.on("head", "pibramble console", timeout_s=300)


def test_a_worker_is_a_console_on_its_own_cable(equipped: Bench) -> None:
    """One device, two functions: the network that all of this comes over, and a serial port that logs in."""
    worker = equipped.json("plan", "--json")["workers"][0]
    device = worker["link"]["console"]
    until(lambda: equipped.on("head", f"ls {device} || true") == device, "the port")
    name = equipped.on("head", f"basename $(readlink {device})")
    drivers = "for at in tty/{} net/{}; do basename $(readlink -f /sys/class/$at/device/driver); done"
    interface = worker["link"]["head_interface"]
    assert equipped.on("head", drivers.format(name, interface)).split() == ["cdc_acm", "cdc_ether"]
    assert equipped.on("head", f"readlink -f /sys/class/tty/{name}/device/..") == equipped.on(
        "head", f"readlink -f /sys/class/net/{interface}/device/.."
    )
    said = equipped.on("head", "pibramble console zero1 --send 'id -un; tty; uname -n'", timeout_s=300)
    assert re.search(r"^pi\s+/dev/ttyGS0\s+zero1$", said, re.MULTILINE), said


def test_docker_starts_on_the_worker_joins_and_runs_a_container(equipped: Bench, tmp_path: Path) -> None:
    began = time.monotonic()
    # The head may have stepped to today with its receiver's time (above), and the worker could not follow it.
    equipped.on("zero1", f"sudo date -s @{equipped.on('head', 'date +%s')}")
    for node in ("head", "zero1"):
        print(node, equipped.on(node, "sudo docker version --format '{{.Server.Version}} {{.Server.Arch}}'", 600))
    print(f"engines answer after {time.monotonic() - began:.0f} s")
    equipped.ok("copy", str(WEB), "head:/tmp/web.c")
    equipped.on("head", "gcc -static -O2 -o /tmp/web /tmp/web.c", timeout_s=600)
    equipped.ok("copy", "head:/tmp/web", str(tmp_path / "web"))
    layers = [{"web": (tmp_path / "web").read_bytes()}]
    image = images.save(tmp_path / "web.tar", "web:1", layers, architecture="arm", variant="v6")
    print(equipped.ok("swarm", "up", timeout_s=ENOUGH_S), f"up after {time.monotonic() - began:.0f} s")
    print(equipped.ok("swarm", "image", "push", str(image), timeout_s=ENOUGH_S))
    (tmp_path / "web.yml").write_text(STACK)
    print(equipped.ok("swarm", "deploy", str(tmp_path / "web.yml"), timeout_s=ENOUGH_S))
    print(f"deployed after {time.monotonic() - began:.0f} s")
    assert equipped.on("zero1", "sudo docker ps --format '{{.Image}}'", 300) == "web:1"
    print(equipped.on("zero1", "sudo docker ps; free -m; ps -C dockerd,containerd -o comm,rss", 300))
    status = json.loads(equipped.run("swarm", "status", "--json", timeout_s=600).stdout)
    print(json.dumps(status)[:3000])
    equipped.ok("swarm", "down", "--yes", timeout_s=ENOUGH_S)
