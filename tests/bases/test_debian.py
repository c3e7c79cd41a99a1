"""Debian for the boards, really made: by mmdebstrap, as an ordinary user, from this machine's own mirror.

These tests need some minutes, and the mirror. What they make stays in a cache of their own, so a second run is short; a
clean machine makes it anew.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.bases.builder import Builder, build, check_file_systems, make_builder, on_root, partitions

pytestmark = [pytest.mark.bases, pytest.mark.timeout(3600)]

CLUSTER = """\
[cluster]
name = "bases"

[head]
board = "pi-1b"

[[workers]]
name = "zero[1-2]"
"""

OTHER = """\
[head]
board = "pi-2b"

[[workers]]
name = "one"
board = "{board}"
link = "{link}"
"""


@pytest.fixture(scope="session")
def built(stranger: tuple[str, ...]) -> Builder:
    """The cards of all nodes, made: by two commands at once, a base each, which the cache's locks keep apart."""
    builder = make_builder("home", CLUSTER, stranger)
    with ThreadPoolExecutor() as at_once:
        for made in [at_once.submit(build, builder, nodes) for nodes in ("head", "zero[1-2]")]:
            made.result()
    return builder


def test_a_second_build_makes_nothing(built: Builder) -> None:
    done = built.pibramble("card", "build", "--json")
    assert done.returncode == 0, done.stderr
    assert [card["reused"] for card in json.loads(done.stdout)] == [True, True, True]


@pytest.mark.parametrize("node", ["head", "zero1"])
def test_both_file_systems_of_a_card_are_sound(built: Builder, node: str, tmp_path: Path) -> None:
    check_file_systems(built.card(node), tmp_path)


# What the initramfs must have so that a board finds its card: its SD hosts, and what switches a card's power on a Pi 4.
SD_HOSTS = {
    "armhf": ("mmc/host/bcm2835.ko", "mmc/host/sdhci-iproc.ko"),
    "arm64": (
        *("mmc/host/bcm2835.ko", "mmc/host/sdhci-iproc.ko"),
        *("regulator/fixed.ko", "regulator/gpio-regulator.ko"),
    ),
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("board", "link", "architecture"), [("pi-2b", "ethernet", "armhf"), ("pi-zero-2w", "usb", "arm64")]
)
def test_cards_of_the_other_architectures_are_sound(
    stranger: tuple[str, ...], board: str, link: str, architecture: str, tmp_path: Path
) -> None:
    builder = make_builder(f"home-{architecture}", OTHER.format(board=board, link=link), stranger)
    done = build(builder, "one")
    assert f"trixie-{architecture}-worker-" in done.stdout
    image = builder.card("one")
    check_file_systems(image, tmp_path)
    boot = subprocess.run(
        ["mdir", "-b", "-i", f"{image}@@{partitions(image)[0]}", "::"], capture_output=True, text=True, check=True
    ).stdout
    assert "::/config.txt" in boot
    assert "::/vmlinuz-" in boot
    [initrd] = [line for line in boot.splitlines() if line.startswith("::/initrd.img-")]
    # Modules, packed already, lie in an archive that is not packed once more.
    read = ["mcopy", "-i", f"{image}@@{partitions(image)[0]}", initrd, "-"]
    within = subprocess.run(read, capture_output=True, check=True).stdout
    for module in (*SD_HOSTS[architecture], "fs/ext4/ext4.ko"):
        assert module.encode() in within, module
    status = on_root(image, "cat /var/lib/dpkg/status")
    assert f"Architecture: {architecture}" in status
    assert not re.search(r"^Status: (?!install ok installed)", status, re.MULTILINE)


def test_files_have_the_owners_that_packages_gave_them(built: Builder) -> None:
    image = built.card("zero1")
    for path, owner, group, mode in (
        ("/usr/bin/sudo", 0, 0, "4755"),
        ("/etc/shadow", 0, 42, "0640"),
        ("/var/lib/chrony", None, None, "0750"),
        ("/etc/ssh/pibramble_host_key", 0, 0, "0600"),
    ):
        said = on_root(image, f"stat {path}")
        assert re.search(rf"Mode:\s+0?{mode}", said), said
        if owner is not None:
            assert re.search(rf"User:\s+{owner}\s+Group:\s+{group}\s", said), said


def test_only_the_head_has_a_private_key_of_the_user(built: Builder) -> None:
    files = {node: on_root(built.card(node), "ls -p /etc/pibramble") for node in ("head", "zero1")}
    assert "/user_key/" in files["head"]
    assert "user_key" not in files["zero1"]
    assert "card.json" in files["zero1"]


def test_a_compiler_on_the_head_uses_the_boards_float_unit(built: Builder, tmp_path: Path) -> None:
    """The head's own compiler, run in a copy of its root by the emulator, says which instructions it makes."""
    image, tree = built.card("head"), tmp_path / "root"
    script = (
        f"mkdir {tree} && debugfs -R 'rdump / {tree}' '{image}?offset={partitions(image)[1]}' 2>/dev/null; "
        f"printf 'double half(double x) {{ return x / 2; }}\\n' >{tree}/half.c; mount -t proc proc {tree}/proc; "
        f"chroot {tree} /usr/local/bin/mpicc -O2 -S -o - /half.c"
    )
    namespace = ["unshare", "--mount", "--pid", "--fork", *([] if os.getuid() == 0 else ["--user", "--map-root-user"])]
    done = subprocess.run([*namespace, "sh", "-c", script], capture_output=True, text=True, check=False)
    assert "vmul.f64" in done.stdout or "vdiv.f64" in done.stdout, done.stdout + done.stderr
    assert "__aeabi_ddiv" not in done.stdout
