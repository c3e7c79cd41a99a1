"""Cards from images in the manner of Raspberry Pi OS boot as a cluster: trixie on 32-bit boards, bookworm on 64-bit.

What the images are, and are not, raspios.py says: NetworkManager, Bluetooth and cloud-init are there, enabled, as they
are in Raspberry Pi's; units stand in for its own first boot, which would leave marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.bases import raspios
from tests.emulator.bench import EXAMPLES, Bench, booted, made

pytestmark = [pytest.mark.emulator, pytest.mark.long, pytest.mark.timeout(7200)]

CLUSTER = """\
[cluster]
name = "raspios-{architecture}"
id = "raspios-{architecture}"
user = "anna"

[head]
board = "{head}"

[cards]
image = "{image}"

[[workers]]
name = "usb1"
board = "{worker}"
link = "usb"
"""
BOARDS = {"armel": ("pi-1b", "pi-zero"), "arm64": ("pi-3b", "pi-zero-2w")}
NODES = ("head", "usb1")


@pytest.fixture(scope="module", params=raspios.KINDS)
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def cluster(
    architecture: str,
    stranger: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Bench]:
    """A head and a worker, booted from cards that were made from such an image."""
    image = raspios.make(architecture, stranger)
    head, worker = BOARDS[architecture]
    text = CLUSTER.format(architecture=architecture, head=head, worker=worker, image=image)
    bench = made(tmp_path_factory, f"raspios-{architecture}", text)
    with booted(bench, request.session):
        yield bench


def test_it_is_the_images_own_system(cluster: Bench, architecture: str) -> None:
    release = raspios.KINDS[architecture].release
    for node in NODES:
        assert f"VERSION_CODENAME={release.name}" in cluster.on(node, "cat /etc/os-release")
        assert "pi-gen" in cluster.on(node, "cat /etc/rpi-issue")
        assert cluster.on(node, "dpkg --print-architecture") == architecture


def test_every_node_is_well(cluster: Bench) -> None:
    statuses = cluster.statuses()
    assert tuple(statuses) == NODES
    assert all(node["reachable"] for node in statuses.values()), statuses
    assert len({node["mpich"] for node in statuses.values()}) == 1
    failed = {node: cluster.on(node, "sudo systemctl --failed --no-legend --plain") for node in NODES}
    assert failed == dict.fromkeys(NODES, "")


def test_nothing_of_the_images_own_first_boot_ran(cluster: Bench, architecture: str) -> None:
    grows = "rpi-resize" if raspios.KINDS[architecture].release.name == "trixie" else "resize2fs_once"
    for node in NODES:
        # sshswitch alone may: it looks for a file on the boot partition, and there is none.
        assert cluster.on(node, f"ls {raspios.MARKS}") in {"", "sshswitch"}
        for unit in ("userconfig", "regenerate_ssh_host_keys", grows):
            assert cluster.on(node, f"systemctl is-enabled {unit} || true") == "masked", unit
        assert cluster.on(node, "cat /proc/cmdline").count("firstboot") == 0
        assert cluster.on(node, "hostname") == node


def test_networkd_alone_has_the_interfaces_and_nobody_the_serial_ports(cluster: Bench) -> None:
    for node in NODES:
        for rival in ("NetworkManager", "ModemManager"):
            assert cluster.on(node, f"systemctl is-active {rival} || true") == "inactive"
        assert cluster.on(node, "systemctl is-active systemd-networkd") == "active"
        assert "cloud-init" not in cluster.on(node, "systemctl list-units --state=active --plain --no-legend 'cloud-*'")
    for node in NODES:
        for other in NODES:
            assert "1 received" in cluster.on(node, f"sudo ping -c 1 -W 20 {other}"), (node, other)


def test_the_first_user_is_the_clusters_and_may_all(cluster: Bench) -> None:
    for node in NODES:
        assert cluster.on(node, "id -un; id -u; sudo id -u").split() == ["anna", "1000", "0"]
        assert cluster.on(node, "getent passwd pi || true") == ""


def test_the_root_has_grown_to_the_card(cluster: Bench) -> None:
    for node in NODES:
        disk, root = (
            int(cluster.on(node, f"lsblk --bytes --nodeps --noheadings --output SIZE {device}"))
            for device in ("$(findmnt -no SOURCE / | sed -E 's/p?2$//')", "$(findmnt -no SOURCE /)")
        )
        boot_and_before = (raspios.BOOT_MIB + 16) * 1024 * 1024
        assert disk - root < boot_and_before, (node, disk, root)
        size = int(cluster.on(node, "df --output=size -B1 / | tail -n 1"))
        assert size > 0.9 * root, (node, size, root)


def test_pi_is_computed_on_both(cluster: Bench) -> None:
    said = cluster.ok("run", "-n", "2", "--ppn", "1", "--with-head", str(EXAMPLES / "cpi.c"), "100000", timeout_s=900)
    assert sorted(re.findall(r"runs on (\w+)", said)) == sorted(NODES)
    assert "pi is about 3.14159265" in said


def test_a_program_may_what_its_package_lets_it(cluster: Bench) -> None:
    for node in NODES:
        assert "cap_net_raw" in cluster.on(node, "/sbin/getcap $(command -v ping)")


def test_the_head_has_pibramble_itself(cluster: Bench) -> None:
    assert cluster.on("head", "pibramble --version").startswith("pibramble ")
