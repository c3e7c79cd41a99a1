"""What a guest is given in its initramfs: as cpio and systemd read it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pibramble.errors import UsageError
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, Link, WorkerGroup
from pibramble.targets.emulator import extras
from pibramble.targets.emulator.extras import Backplane
from tests.unit.files.readers import program, read

BACKPLANE = Backplane(40_000, "0123456789abcdef")


def unpacked(plan: Plan, node: str, folder: Path, *, verify: bool = False) -> Path:
    archive = extras.archive(plan, plan.node(node), BACKPLANE, verify=verify)
    subprocess.run([program("cpio"), "-id", "--quiet"], input=archive, cwd=folder, check=True)
    return folder


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_worker_on_a_cable_gets_its_end_and_the_hidden_network(plan: Plan, tmp_path: Path) -> None:
    root = unpacked(plan, "zero1", tmp_path)
    assert {
        "pibramble/init",
        "scripts/init-bottom/pibramble",
        "pibramble/run/pibramble-emulator/usb-worker",
        "pibramble/run/systemd/network/10-emulator-backplane.link",
        "pibramble/run/systemd/network/10-emulator-backplane.network",
        "pibramble/run/systemd/system/pibramble-emulator.service",
    } <= names(root)
    assert not [name for name in names(root) if "usb-head" in name or "uplink" in name]
    unit = (root / "pibramble/run/systemd/system/pibramble-emulator.service").read_text()
    assert "usb-worker 169.254.213.2 40000 0123456789abcdef zero1\n" in unit


def test_the_head_knows_every_cable_and_the_address_that_must_appear(plan: Plan, tmp_path: Path) -> None:
    root = unpacked(plan, "head", tmp_path)
    unit = (root / "pibramble/run/systemd/system/pibramble-emulator.service").read_text()
    words = " ".join(f"{name} {link.head_mac}" for name in ("zero1", "zero2", "two") if (link := plan.node(name).link))
    assert f"usb-head 169.254.213.2 40000 0123456789abcdef {words}\n" in unit
    uplink = (root / "pibramble/run/systemd/network/10-emulator-uplink.link").read_text()
    assert f"MACAddress={extras.uplink_mac(plan)}\n" in uplink
    assert "Name=eth0\n" in uplink


def test_every_adapter_of_qemus_is_kept_from_the_driver_that_changes_its_address(tmp_path: Path) -> None:
    """The head has one for its uplink, whatever its workers hang on: else it is not named, and nobody reaches it."""
    line = WorkerGroup(name="aplus", board="pi-1a-plus", link=Link.SERIAL, head_port="/dev/ttyAMA0")
    root = unpacked(resolve(Cluster(workers=(line,))), "head", tmp_path)
    assert (root / "pibramble/run/modprobe.d/pibramble-emulator.conf").read_text() == "blacklist cdc_subset\n"
    assert not [name for name in names(root) if "backplane" in name]


def test_who_has_no_cable_gets_none(plan: Plan, tmp_path: Path) -> None:
    root = unpacked(plan, "aplus", tmp_path)
    assert {"pibramble/init", "scripts/init-bottom/pibramble"} <= names(root)
    assert not [name for name in names(root) if "usb" in name or "backplane" in name or "emulator.service" in name]


def test_nothing_is_put_anywhere_but_into_the_initramfs_and_run(plan: Plan, tmp_path: Path) -> None:
    """What the guest's own init-bottom copies goes to /run, which is a disk in memory: the card is not changed."""
    for node in plan.nodes:
        folder = tmp_path / node.name
        folder.mkdir()
        for name in names(unpacked(plan, node.name, folder, verify=True)):
            assert name.startswith(("pibramble/", "scripts/"))


@pytest.mark.parametrize("node", ["head", "zero1"])
def test_systemd_accepts_the_units(plan: Plan, node: str, tmp_path: Path) -> None:
    root = unpacked(plan, node, tmp_path, verify=True)
    for unit in (root / "pibramble/run/systemd/system").iterdir():
        done = read([program("systemd-analyze"), "verify", str(unit)])
        # ProtectSystem and the like are not asked for; what counts is that no line is unknown.
        assert "nknown" not in done.stderr, done.stderr
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", ["init", "init-bottom", "usb-head", "usb-worker", "verify"])
def test_a_shell_can_read_the_scripts(script: str) -> None:
    path = Path(extras.__file__).with_name("guest") / script
    shell = path.read_text().splitlines()[0].removeprefix("#!")
    assert read([shell, "-n", str(path)]).stderr == ""


def test_the_guests_own_script_puts_the_units_into_run_and_orders_them(plan: Plan, tmp_path: Path) -> None:
    root = unpacked(plan, "zero1", tmp_path)
    script = (root / "scripts/init-bottom/pibramble").read_text()
    run = tmp_path / "run"
    run.mkdir()
    here = script.replace("/pibramble/run/", f"{root}/pibramble/RUN/").replace("/run/", f"{run}/")
    done = read(["sh", "-ec", here.replace("/RUN/", "/run/"), "init-bottom", ""])
    assert done.returncode == 0, done.stderr
    assert {"pibramble-emulator/usb-worker", "systemd/system/pibramble-emulator.service"} <= names(run)
    wanted = run / "systemd/system/multi-user.target.wants/pibramble-emulator.service"
    assert wanted.resolve() == run / "systemd/system/pibramble-emulator.service"


def test_more_cables_than_the_kernel_has_ports_are_refused() -> None:
    plan = resolve(Cluster(workers=(WorkerGroup(name="zero[1-9]"),)))
    with pytest.raises(UsageError, match="9 workers hang on the head by USB, and an emulated head has 8 ports"):
        extras.archive(plan, plan.head, BACKPLANE)
