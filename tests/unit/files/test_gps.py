"""The receiver's files on the head, as the programs that read them do."""

from __future__ import annotations

import os
import re
import shutil
import socket
from pathlib import Path

import attrs
import pytest

from pibramble.files import gps as gps_files
from pibramble.files.model import NodeFiles
from pibramble.files.render import render
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, GpsSection, HeadSection, WorkerGroup
from pibramble.spec.rules.gps import LONGEST_NAME
from tests.unit.files import disks
from tests.unit.files.readers import apart, program, read
from tests.unit.files.test_render import GOLDEN, as_text, toy_keys

as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs a mount namespace of root's")
BY_ID = "/dev/serial/by-id/usb-u-blox_AG_-_www.u-blox.com_u-blox_7_-_GPS_GNSS_Receiver-if00"
BY_PATH = (
    "/dev/serial/by-path/platform-20980000.usb-usb-0:1.3:1.0-port0"  # chronyd takes what follows a colon for options
)
UNPACKED = Path(__file__).parents[3] / ".cache/gps"


def cluster(**said: object) -> Cluster:
    section = GpsSection(**{"port": "/dev/ttyAMA0", "baud": 9_600, **said})  # type: ignore[arg-type]
    return Cluster(head=HeadSection(board="pi-1b"), workers=(WorkerGroup(name="zero[1-2]"),), gps=section)


def head(**said: object) -> NodeFiles:
    plan = resolve(cluster(**said))
    return render(plan, toy_keys(plan), "head")


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> disks.Disks:
    said = {"port": BY_PATH, "pps": "/dev/pps0", "share_position": True}
    return disks.make(tmp_path_factory.mktemp("gps"), cluster(**said))


def test_what_a_receiver_adds_to_the_head() -> None:
    plan = resolve(cluster(pps="/dev/pps0", share_position=True))
    plain = resolve(attrs.evolve(cluster(), gps=None))
    before = as_text(render(plain, toy_keys(plain), "head")).split("=== ")
    now = as_text(render(plan, toy_keys(plan), "head")).split("=== ")
    text = "=== ".join(["", *(entry for entry in now if entry not in before)])
    golden = GOLDEN / "receiver.txt"
    if os.environ.get("PIBRAMBLE_REGENERATE"):
        golden.write_text(text)
    assert text == golden.read_text(), "PIBRAMBLE_REGENERATE=1 accepts the new files"


@pytest.mark.parametrize("device", ["/dev/ttyAMA0", BY_ID, BY_PATH])
def test_the_device_s_unit_is_what_systemd_calls_it(device: str) -> None:
    said = read([program("systemd-escape"), "--path", "--suffix=device", device]).stdout.strip()
    assert gps_files.device_unit(device) == said


@pytest.mark.parametrize(
    ("version", "way"),
    [
        ("3.9", "memory"),
        ("3.17", "memory"),
        ("3.22", "memory"),
        ("3.23.1", "memory"),
        ("3.24", "memory"),
        ("3.25", "socket"),
        ("3.26.1", "socket"),
        ("3.27.5", "socket"),
        ("4.0", "socket"),
    ],
)
@as_root
def test_chronyd_is_told_the_way_of_the_gpsd_that_is_there(
    disk: disks.Disks, tmp_path: Path, version: str, way: str
) -> None:
    gpsd = tmp_path / "gpsd"
    gpsd.write_text(f"#!/bin/sh\necho '{gpsd}: {version} (revision {version})'\n")
    gpsd.chmod(0o755)
    script = """
        mount -t tmpfs none /run
        PATH=$2:$PATH sh "$1"
        readlink /run/chrony/gps.conf
        stat -c %a /run/chrony
        readlink "/run/chrony.clk.$3.sock"
    """
    done = apart(script, str(disk["head"]) + gps_files.CHOOSER, str(tmp_path), BY_PATH.rpartition("/")[2])
    assert done.stdout.split() == [f"/etc/chrony/pibramble-gps-{way}.conf", "700", gps_files.CLOCK_SOCKET], done.stderr


@as_root
@pytest.mark.parametrize("way", ["memory", "socket"])
def test_chrony_accepts_its_configuration_with_either_way(disk: disks.Disks, way: str) -> None:
    script = """
        mount -t tmpfs none /run
        mkdir /run/chrony
        ln -s "$1/etc/chrony/pibramble-gps-$2.conf" /run/chrony/gps.conf
        exec "$3" -p -f "$1/etc/chrony/chrony.conf"
    """
    done = apart(script, str(disk["head"]), way, program("chronyd"))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    clock = {"memory": "SHM 0", "socket": "SOCK /run/chrony.clk.pibramble.sock"}[way]
    assert f"refclock {clock} refid GPS poll 3 offset 0.5 delay 1" in lines
    assert any(line.startswith("refclock SOCK /run/chrony.pps0.sock refid PPS") for line in lines)
    assert {"local stratum 10 distance 3", "makestep 1 -1", "allow 192.168.7.0/24"} <= set(lines)


def test_a_measured_lag_is_taken_off_and_leaves_less_doubt() -> None:
    assert "offset 0.12 delay 0.2" in head(lag_ms=120).content("/etc/chrony/pibramble-gps-socket.conf")


def test_gpsd_gets_the_receiver_its_speed_and_nothing_that_is_plugged_in_later() -> None:
    said = head(pps="/dev/pps0").content("/etc/default/gpsd")
    assert said == 'DEVICES="/dev/ttyAMA0 /dev/pps0"\nGPSD_OPTIONS="-n -s 9600"\nUSBAUTO="false"\n'
    auto = attrs.evolve(cluster(), gps=GpsSection(port=BY_ID))
    plan = resolve(auto)
    assert f'DEVICES="{BY_ID}"\nGPSD_OPTIONS="-n"\n' in render(plan, toy_keys(plan), "head").content(
        "/etc/default/gpsd"
    )


def unpacked(path: str) -> Path:
    found = next(
        (root / path for root in (Path("/usr"), Path("/"), UNPACKED / "usr", UNPACKED) if (root / path).exists()), None
    )
    if found is None:
        pytest.skip("needs Debian's gpsd: make setup-dev unpacks it")
    return found


@as_root
def test_systemd_accepts_gpsd_s_units_as_they_are_changed(disk: disks.Disks, tmp_path: Path) -> None:
    for unit in ("gpsd.service", "gpsd.socket"):
        text = unpacked(f"lib/systemd/system/{unit}").read_text()
        (tmp_path / unit).write_text(text.replace("/usr/sbin/gpsd", "/bin/true"))  # it may be unpacked only
        shutil.copytree(disk["head"] / f"etc/systemd/system/{unit}.d", tmp_path / f"{unit}.d")
    for unit in ("gpsd.service", "gpsd.socket"):
        done = read([program("systemd-analyze"), "--man=no", "verify", str(tmp_path / unit)])
        assert (done.returncode, done.stderr) == (0, "")


def test_gpsd_comes_after_chronyd_and_goes_with_it_and_with_the_receiver() -> None:
    lines = head().content("/etc/systemd/system/gpsd.service.d/pibramble.conf").splitlines()
    assert {"After=chrony.service", "PartOf=chrony.service", "BindsTo=dev-ttyAMA0.device"} <= set(lines)


def test_no_boot_waits_for_a_receiver() -> None:
    wanted = [link.path for link in head().links if "multi-user.target.wants/gpsd" in link.path]
    assert wanted == []


@pytest.mark.parametrize(
    ("share", "listens"),
    [
        (False, ["", "/run/gpsd.sock", "127.0.0.1:2947"]),
        (True, ["", "/run/gpsd.sock", "127.0.0.1:2947", "192.168.7.1:2947"]),
    ],
)
def test_gpsd_answers_the_head_alone_unless_the_position_is_shared(share: bool, listens: list[str]) -> None:  # noqa: FBT001
    said = head(share_position=share).content("/etc/systemd/system/gpsd.socket.d/pibramble.conf")
    assert re.findall(r"^ListenStream=(.*)$", said, re.MULTILINE) == listens


@as_root
@pytest.mark.parametrize(("port", "starts"), [("/dev/ttyAMA0", False), ("/dev/tty0", True)])
def test_udev_starts_gpsd_for_the_receiver_s_port_alone(tmp_path: Path, port: str, starts: bool) -> None:  # noqa: FBT001
    """Held against the one terminal that every machine has: no receiver is needed for that."""
    files = head(port=port).content("/etc/udev/rules.d/90-pibramble-gps.rules")
    (tmp_path / "90-pibramble-gps.rules").write_text(files)
    script = 'mount --bind "$1" /etc/udev/rules.d && exec "$2" test /sys/class/tty/tty0'
    done = apart(script, str(tmp_path), program("udevadm"))
    said = done.stdout + done.stderr
    if "DEVPATH" not in said:
        pytest.skip("udev cannot be asked here")
    assert ("SYSTEMD_WANTS=gpsd.service" in said) is starts


def test_gpsd_s_own_rules_are_off() -> None:
    unpacked("lib/udev/rules.d/60-gpsd.rules")  # it is called that
    (link,) = (link for link in head().links if link.path == "/etc/udev/rules.d/60-gpsd.rules")
    assert link.target == "/dev/null"


def test_the_kernel_and_log_in_prompts_leave_the_receiver_s_port() -> None:
    files = head()
    (edit,) = (edit for edit in files.edits if edit.path.endswith("cmdline.txt"))
    assert edit.apply("console=serial0,115200 console=tty1 root=/dev/mmcblk0p2\n") == (
        "console=tty1 root=/dev/mmcblk0p2 net.ifnames=0\n"
    )
    masked = {link.path.rpartition("/")[2] for link in files.links if link.target == "/dev/null"}
    assert "serial-getty@ttyAMA0.service" in masked
    assert "enable_uart=1" in files.content("/boot/firmware/pibramble.txt")


def test_a_worker_has_nothing_of_it(disk: disks.Disks) -> None:
    plain = resolve(attrs.evolve(cluster(), gps=None))
    assert [entry.path for entry in disk.nodes["zero1"].entries] == [
        entry.path for entry in render(plain, toy_keys(plain), "zero1").entries
    ]


def test_the_longest_name_that_is_allowed_makes_a_path_that_a_socket_can_have() -> None:
    path = gps_files.sought_socket("x" * LONGEST_NAME).replace("/run/", "/nun/")  # as long, and not there
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        with pytest.raises(FileNotFoundError):
            made.bind(path)
        with pytest.raises(OSError, match="too long"):
            made.bind(f"{path}x")
