"""Accounts, units, serial links and time, as the programs that read them do."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import attrs
import pytest

from pibramble.files.render import render
from tests.unit.files.disks import Disks
from tests.unit.files.readers import apart, program, read

as_root = pytest.mark.skipif(os.getuid() != 0, reason="these programs work for root alone")


def test_sudo_accepts_its_file(disk: Disks) -> None:
    done = read([program("visudo"), "-c", "-f", str(disk["zero1"] / "etc/sudoers.d/pibramble")])
    assert done.returncode == 0, done.stdout + done.stderr


def edited_shadow(disk: Disks, node: str, text: str) -> str:
    (edit,) = (edit for edit in disk.nodes[node].edits if edit.path == "/etc/shadow")
    assert edit.apply(edit.apply(text)) == edit.apply(text)
    return edit.apply(text)


def test_root_is_locked_and_the_user_is_open_to_keys_alone(disk: Disks) -> None:
    shadow = edited_shadow(disk, "zero1", "root:$y$secret:20000:0:99999:7:::\ndaemon:*:1::::::\npi:$6$old:1::::::\n")
    fields = {line.split(":")[0]: line.split(":")[1] for line in shadow.splitlines()}
    # "!" would lock the account for sshd without PAM, keys and all.
    assert fields == {"daemon": "*", "root": "!*", "pi": "*"}


def test_who_sits_at_the_serial_console_is_logged_in_by_a_unit_that_systemd_takes(disk: Disks, tmp_path: Path) -> None:
    template = Path("/usr/lib/systemd/system/serial-getty@.service")
    if not template.exists():
        pytest.skip("needs Debian's systemd")
    shutil.copytree(disk["zero1"] / "etc/systemd/system/serial-getty@.service.d", tmp_path / "serial-getty@.service.d")
    unit = Path(shutil.copy(template, tmp_path / "serial-getty@ttyAMA0.service"))
    done = read([program("systemd-analyze"), "--man=no", "verify", str(unit)])
    assert (done.returncode, done.stderr) == (0, "")
    assert "--autologin pi " in (tmp_path / "serial-getty@.service.d/pibramble-login.conf").read_text()


def test_the_log_in_at_the_serial_console_can_be_switched_off(disk: Disks) -> None:
    closed = attrs.evolve(disk.plan, console_login=False)
    assert "serial-getty" in str(render(disk.plan, disk.keyring, "zero1"))
    assert "serial-getty" not in str(render(closed, disk.keyring, "zero1"))


@as_root
def test_systemd_makes_the_user_with_its_groups_and_keeps_its_password_field(disk: Disks, tmp_path: Path) -> None:
    root = shutil.copytree(disk["head"], tmp_path / "root", symlinks=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    (root / "etc/group").write_text("root:x:0:\nvideo:x:44:\n")
    (root / "etc/shadow").write_text(edited_shadow(disk, "head", "root:x:1:0:99999:7:::\n"))
    done = read([program("systemd-sysusers"), f"--root={root}"])
    assert done.returncode == 0, done.stderr
    assert "pi:x:1000:1000:pibramble:/home/pi:/bin/bash\n" in (root / "etc/passwd").read_text()
    assert re.search(r"^pi:\*:", (root / "etc/shadow").read_text(), re.MULTILINE)
    groups = (root / "etc/group").read_text()
    assert "video:x:44:pi\n" in groups
    assert re.search(r"^dialout:x:\d+:pi$", groups, re.MULTILINE)

    (root / "etc/skel").mkdir()
    (root / "etc/skel/.bashrc").write_text("# hello\n")
    done = read([program("systemd-tmpfiles"), f"--root={root}", "--create"])
    assert done.returncode == 0, done.stderr
    sockets, home = (root / "run/pibramble/ssh").stat(), (root / "home/pi").stat()
    assert (sockets.st_mode & 0o7777, sockets.st_uid) == (0o700, 1000)
    assert (home.st_mode & 0o7777, home.st_uid) == (0o750, 1000)
    assert (root / "home/pi/.bashrc").read_text() == "# hello\n"


@as_root  # the check asks whether it may run pppd, which Debian lets only root and the group dip do
@pytest.mark.parametrize("node", ["head", "aplus"])
def test_systemd_accepts_the_unit_of_a_serial_link(disk: Disks, node: str, tmp_path: Path) -> None:
    unit = tmp_path / "pibramble-ppp@peer.service"
    shutil.copy(disk[node] / "etc/systemd/system/pibramble-ppp@.service", unit)
    done = read([program("systemd-analyze"), "--man=no", "verify", str(unit)])  # a bare machine has no manuals
    assert (done.returncode, done.stderr) == (0, "")


def test_every_unit_that_is_started_is_there(disk: Disks) -> None:
    """Ours must be among the node files; a package's must be one that this Debian knows, where it is installed."""
    for name, node in disk.nodes.items():
        for link in node.links:
            if link.target.startswith("/etc/"):
                assert link.target in {file.path for file in node.files}, name
            elif link.target != "/dev/null" and Path(link.target).parent.is_dir():
                packages = {"ssh.service", "chrony.service", "nftables.service"}
                assert Path(link.target).exists() or Path(link.target).name in packages, link.target


@as_root
@pytest.mark.parametrize(
    ("node", "peer", "device", "expected"),
    [
        ("aplus", "head", "/dev/ttyAMA0", ["ifname uplink", "defaultroute", "192.168.7.4:192.168.7.1", "xonxoff"]),
        ("head", "aplus", "/dev/ttyAMA0", ["ifname aplus", "192.168.7.1:192.168.7.4", "asyncmap a0000", "921600"]),
        ("w-1", "head", "/dev/ttyAMA0", ["ifname uplink", "crtscts", "3000000"]),
        ("head", "w-1", "/dev/ttyUSB0", ["ifname w-1", "crtscts", "192.168.7.1:192.168.7.5", "asyncmap 0"]),
    ],
)
def test_pppd_accepts_both_ends_of_a_serial_link(
    disk: Disks, node: str, peer: str, device: str, expected: list[str]
) -> None:
    # A /dev with the serial port in it, and a /dev/ppp so that pppd does not ask this machine's kernel for it.
    script = """
        mount --bind "$1"/etc/ppp/peers /etc/ppp/peers
        mount -t tmpfs none /dev
        mknod /dev/null c 1 3
        mknod "$2" c 4 64
        : > /dev/ppp
        exec "$4" call "$3" dryrun nodetach
    """
    done = apart(script, str(disk[node]), device, peer, program("pppd"))
    assert done.returncode == 0, done.stdout + done.stderr
    options = [line.partition("\t")[0].strip() for line in done.stdout.splitlines()]
    for option in [device, "noauth", "local", "persist", "maxfail 0", "mtu 1500", "mru 1500", *expected]:
        assert option in options
    assert ("defaultroute" in options) == (node != "head")


@pytest.mark.parametrize("node", ["head", "zero1"])
def test_chrony_accepts_its_configuration(disk: Disks, node: str) -> None:
    done = read([program("chronyd"), "-p", "-f", str(disk[node] / "etc/chrony/chrony.conf")])
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    if node == "head":
        assert {"pool pool.ntp.org iburst", "allow 192.168.7.0/24", "local stratum 10"} <= set(lines)
    else:
        (source,) = (line for line in lines if line.startswith(("server", "pool")))
        assert source == "server 192.168.7.1 iburst minpoll 4 maxpoll 6"


def test_modprobe_gives_the_gadget_both_its_addresses(disk: Disks) -> None:
    link = disk.plan.node("zero1").link
    assert link is not None
    done = read([program("modprobe"), "-c", "-C", str(disk["zero1"] / "etc/modprobe.d")])
    (options,) = (line for line in done.stdout.splitlines() if line.startswith("options g_ether"))
    assert {f"dev_addr={link.worker_mac}", f"host_addr={link.head_mac}", "use_eem=0"} <= set(options.split())
    assert disk.nodes["zero1"].content("/etc/modules-load.d/pibramble.conf").split() == ["dwc2", "g_ether"]


def test_modprobe_keeps_the_wrong_driver_from_the_head(disk: Disks) -> None:
    done = read([program("modprobe"), "-c", "-C", str(disk["head"] / "etc/modprobe.d")])
    assert "blacklist cdc_subset" in done.stdout.splitlines()
