"""What is read from the kernel: this machine's own, and a small /sys of the test's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pibramble.targets.hardware.look import Interface, System, UsbDevice


def write(root: Path, **files: str) -> None:
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


@pytest.mark.skipif(os.getuid() != 0, reason="making interfaces takes root")
def test_real_interfaces_are_seen_as_the_kernel_has_them() -> None:
    script = """
        mount -t sysfs none /sys
        ip link add bramble type bridge
        ip link add zero1 address 0a:00:00:00:00:01 type veth peer name far
        ip link add zero2 type veth peer name far2
        ip link set zero1 master bramble
        ip link set zero1 up
        ip link set far up
        exec "$0" -c "
from pibramble.targets.hardware.look import System
for interface in System().interfaces().values():
    print(interface.name, interface.mac, interface.up, interface.carrier, interface.bridge or '-')"
    """
    argv = ["unshare", "--net", "--mount", "sh", "-ec", script, sys.executable]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    seen = {line.split()[0]: line.split()[1:] for line in said}
    assert seen["zero1"] == ["0a:00:00:00:00:01", "True", "True", "bramble"]
    assert seen["zero2"][1:] == ["False", "False", "-"]
    assert "bramble" in seen


def test_an_interface_that_is_down_has_no_carrier_to_read(tmp_path: Path) -> None:
    folder = "sys/class/net/zero1"
    write(tmp_path, **{f"{folder}/flags": "0x1002\n", f"{folder}/address": "0A:00:00:00:00:01\n"})
    assert System(tmp_path).interfaces() == {
        "zero1": Interface("zero1", "0a:00:00:00:00:01", up=False, carrier=False, bridge="")
    }


def test_boards_on_the_usb_are_told_by_product_and_serial_number(tmp_path: Path) -> None:
    devices = "sys/bus/usb/devices"
    write(
        tmp_path,
        **{f"{devices}/1-1/idVendor": "0525\n", f"{devices}/1-1/idProduct": "a4a2\n"},
        **{f"{devices}/1-1/serial": "zero1\n", f"{devices}/1-1:1.0/bInterfaceClass": "02\n"},
        **{f"{devices}/1-2/idVendor": "0a5c\n", f"{devices}/1-2/idProduct": "2763\n"},
    )
    seen = System(tmp_path).all([], [])
    assert seen.usb == (UsbDevice("0525:a4a2", "zero1"), UsbDevice("0a5c:2763", ""))
    assert seen.on_usb("zero1")
    assert not seen.on_usb("zero2")


def test_a_serial_port_is_a_device_not_just_a_file(tmp_path: Path) -> None:
    write(tmp_path, **{"dev/ttyUSB0": ""})
    (tmp_path / "dev/ttyAMA0").symlink_to("/dev/null")
    assert System(tmp_path).all(["/dev/ttyUSB0", "/dev/ttyAMA0", "/dev/ttyS9"], []).ports == {"/dev/ttyAMA0"}


def test_without_systemd_nothing_is_said_of_units(tmp_path: Path) -> None:
    assert System(tmp_path).all([], ["pibramble-ppp@aplus.service"]).units == {}


def test_systemd_is_asked_for_all_units_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    fake = tmp_path / "bin/systemctl"  # no systemd runs where these tests do
    write(
        tmp_path,
        **{"bin/systemctl": '#!/bin/sh\n[ "$*" = "is-active a b" ] || exit 1\necho active\necho failed\nexit 3\n'},
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    assert System(tmp_path).all([], ["a", "b"]).units == {"a": "active", "b": "failed"}


def test_forwarding_is_read(tmp_path: Path) -> None:
    write(tmp_path, **{"proc/sys/net/ipv4/ip_forward": "1\n"})
    assert System(tmp_path).forwards()
    assert not System(tmp_path / "nowhere").forwards()
