"""Adapters that are plugged in and that nobody has named."""

from __future__ import annotations

from pathlib import Path

from pibramble.console.adapters import unnamed


def test_an_adapter_is_known_by_any_of_its_names_and_listed_once(tmp_path: Path) -> None:
    names = {
        "by-id/usb-FTDI_A1-if00-port0": "ttyUSB0",
        "by-path/pci-usb-0:1:1.0-port0": "ttyUSB0",
        "by-id/usb-FTDI_B2-if00-port0": "ttyUSB1",
        "by-path/pci-usb-0:2:1.0-port0": "ttyUSB1",
        "by-path/pci-usb-0:3:1.0-port0": "ttyUSB2",  # a CH340 has no serial number
    }
    for name, device in names.items():
        link = tmp_path / name
        link.parent.mkdir(exist_ok=True)
        (tmp_path / device).touch()
        link.symlink_to(tmp_path / device)
    known = str(tmp_path / "by-path/pci-usb-0:1:1.0-port0")
    assert unnamed([known], tmp_path) == (
        str(tmp_path / "by-id/usb-FTDI_B2-if00-port0"),
        str(tmp_path / "by-path/pci-usb-0:3:1.0-port0"),
    )
    assert unnamed([str(tmp_path / "ttyUSB1"), str(tmp_path / "ttyUSB2"), known], tmp_path) == ()


def test_a_machine_without_any_has_none(tmp_path: Path) -> None:
    assert unnamed([], tmp_path) == ()
