"""One card alone: whether it will do, said before it is written."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path

import pytest

from pibramble.cards import foundation, layout
from pibramble.cards.store import Store
from pibramble.plan.resolve import resolve
from pibramble.progress import SilentProgress
from pibramble.spec import load
from pibramble.targets import sockets
from pibramble.targets.emulator import prepare
from pibramble.targets.emulator.boot import BootError, Watch
from pibramble.targets.emulator.command import free_port, uplink
from pibramble.targets.emulator.extras import Backplane
from pibramble.targets.emulator.keeping import kept
from pibramble.targets.emulator.order import Order
from pibramble.targets.emulator.state import control_socket
from tests.emulator.bench import Bench

pytestmark = [pytest.mark.emulator, pytest.mark.timeout(1200)]


def test_a_good_card_boots_and_is_called_good(bench: Bench) -> None:
    done = bench.run("card", "verify", "zero1", "--boot", "--json", timeout_s=900)
    assert done.returncode == 0, done.stdout + done.stderr
    [verdict] = json.loads(done.stdout)
    print(verdict["seen"])
    assert verdict["good"]
    # The root has grown to the emulated card, which is larger than the image.
    assert "running, root 1." in verdict["seen"]


def test_a_corrupt_root_is_named_with_what_the_console_said(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIBRAMBLE_CACHE", bench.environment["PIBRAMBLE_CACHE"])
    plan = resolve(load.load(bench.folder / "cluster.toml").cluster)
    node = plan.node("zero2")
    wires = sockets.folder(str(tmp_path), "corrupt")
    sockets.make(wires)
    with Store(bench.state).image(node.name) as image, socket.create_server(("127.0.0.1", 0)) as cables:
        nowhere = Backplane(cables.getsockname()[1], "nobody")
        made = prepare.Bench(plan, wires, nowhere, uplink(plan, free_port(), wires / "world"))
        order = made.prepare(node, image, tmp_path / node.name)
        _, found = layout.read_layout(image.read(0, layout.SECTOR_BYTES))
        over_it = f"write -P 0xa5 {found.root.offset} 16M"
        subprocess.run(
            ["qemu-io", "-f", "qcow2", "-c", over_it, tmp_path / node.name / "disk.qcow2"],
            check=True,
            capture_output=True,
        )
        everything = Order({node.name: order}, {}, str(control_socket(wires)), cables.fileno(), "nobody")
        with kept(everything, tmp_path / "keeper.log") as state, SilentProgress().lines([]) as lines:
            watch = Watch({node.name: Path(order.log)}, lines, state.ask)
            with pytest.raises(BootError) as failed:
                watch.wait(lambda: False, time.monotonic() + 600, "its boot")
    sockets.remove(wires)
    said = str(failed.value)
    print(said)
    assert said.startswith("zero2 did not come up")
    assert "likely: the root file system is damaged" in said or "likely: the kernel does not find its root" in said
    assert "its console's last lines:" in said


def test_the_image_under_an_emulated_card_stays_as_it_was(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """After everything above: digests of the shared disks, and of the stored cards, are those of their making."""
    monkeypatch.setenv("PIBRAMBLE_CACHE", bench.environment["PIBRAMBLE_CACHE"])
    for card in json.loads(bench.ok("card", "list", "--json")):
        assert card["worth"] == "up to date"
        over = foundation.load(card["head"]["base"])
        assert over is not None
        assert foundation._sum_up(over.image)[0] == over.digest  # noqa: SLF001 (what made it)
