"""Cards from an image that lacks packages: the image's own apt adds them, under emulation, as an ordinary user.

The images are raspios.py's, since none of the real ones can be fetched where this is built: trixie for a Zero, bookworm
for 64-bit boards. They lack what Raspberry Pi's lack: MPICH, chrony, nftables, and what a head needs.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pibramble.cards import mirror, recipe, systems
from tests.bases import raspios
from tests.bases.builder import Builder, build, check_file_systems, make_builder, on_root

pytestmark = [pytest.mark.bases, pytest.mark.timeout(3600)]

PLAIN = '[cluster]\nname = "images"\nuser = "anna"\n\n[[workers]]\nname = "zero1"\n'
ARM64 = PLAIN.replace("[[workers]]", '[head]\nboard = "pi-3b"\n\n[[workers]]\nboard = "pi-zero-2w"')
WITH_IMAGE = '\n[cards]\nimage = "{image}"\n'
CLUSTERS = {"armel": ("images", PLAIN), "arm64": ("images-arm64", ARM64)}


@pytest.fixture(scope="session", params=raspios.KINDS)
def architecture(request: pytest.FixtureRequest) -> str:
    """The image's architecture, by its name in Debian."""
    return str(request.param)


@pytest.fixture(scope="session")
def built(architecture: str, stranger: tuple[str, ...]) -> Builder:
    """The cards of head and worker, made from such an image."""
    name, plain = CLUSTERS[architecture]
    image = raspios.make(architecture, stranger)
    builder = make_builder(name, plain + WITH_IMAGE.format(image=image), stranger)
    build(builder)
    return builder


COMPLETE = """\
import sys
from pathlib import Path
from pibramble.cards import base, completion, rootfs
from pibramble.progress import SilentProgress

scratch, system, abi = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
room = base.workshop(scratch)
full = completion.complete(system, ["nftables"], abi, 1_700_000_000, scratch, room, SilentProgress())
print(full.packages["nftables"], full.packages["apt"], full.archive)
rootfs.remove(room)
"""


def test_packages_are_added_to_a_system_of_this_machines_own_kind(stranger: tuple[str, ...]) -> None:
    """The same without an emulator: a minute instead of ten."""
    builder = make_builder("completion", PLAIN, stranger)
    abi = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    sources = "\n".join(source.deb822() for source in mirror.sources("trixie", ["main"]) if not source.optional)
    (builder.folder / "debian.sources").write_text(sources)
    scratch = builder.folder / "scratch"
    builder.run("rm", "-rf", str(scratch))
    builder.run("mkdir", str(scratch))
    argv = ["mmdebstrap", "--mode=unshare", "--variant=apt", "--format=tar", "--skip=output/dev"]
    done = builder.run(*argv, "trixie", "system.tar", "debian.sources")
    assert done.returncode == 0, done.stderr
    done = builder.run(sys.executable, "-c", COMPLETE, str(scratch), str(builder.folder / "system.tar"), abi)
    assert done.returncode == 0, done.stderr
    listed = subprocess.run(["tar", "-tf", done.stdout.split()[-1]], capture_output=True, text=True, check=True).stdout
    assert "./usr/sbin/nft\n" in listed
    for left in ("99pibramble-building", "00mmdebstrap", "mmdebstrap.apt.conf", "sbin/policy-rc.d\n", "ld.so.preload"):
        assert left not in listed
    builder.run("rm", "-rf", str(scratch))


@pytest.mark.long
def test_what_the_image_lacked_is_there_and_counted(built: Builder, architecture: str) -> None:
    listed = json.loads(built.pibramble("card", "list", "--json").stdout)
    [key] = {card["head"]["base"] for card in listed}
    assert key.startswith(f"raspios-{raspios.KINDS[architecture].release.name}-{architecture}-")
    manifest = built.folder / "cache/bases" / key / "base.json"
    packages = json.loads(manifest.read_text())["packages"]
    assert {"gcc", "libmpich-dev", "mpich", "python3-click", "chrony"} <= set(packages)
    assert set(recipe.packages(["everywhere", "compiler", "head"])) - systems.left_out() - set(packages) == set()
    image = built.card("zero1")
    for path in ("/usr/bin/mpicc", "/usr/bin/gcc", "/usr/sbin/chronyd", "/usr/sbin/nft"):
        assert re.search(r"Type: (regular|symlink)", on_root(image, f"stat {path}")), path


@pytest.mark.long
@pytest.mark.parametrize("node", ["head", "zero1"])
def test_cards_are_sound_and_as_planned(built: Builder, node: str, tmp_path: Path) -> None:
    image = built.card(node)
    done = built.pibramble("card", "inspect", str(image))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "as planned" in done.stdout
    check_file_systems(image, tmp_path)


@pytest.mark.long
def test_owners_rights_and_accounts_are_a_systems(built: Builder) -> None:
    image = built.card("zero1")
    assert re.search(r"Mode:\s+0?4755", on_root(image, "stat /usr/bin/sudo"))
    assert re.search(r"User:\s+0\s+Group:\s+42\s", on_root(image, "stat /etc/shadow"))
    assert "anna:x:1000:1000:pibramble:/home/anna:/bin/bash" in on_root(image, "cat /etc/passwd")
    assert not re.search(r"^pi:", on_root(image, "cat /etc/passwd"), re.MULTILINE)


@pytest.mark.long
def test_nothing_of_the_building_is_left(built: Builder) -> None:
    image = built.card("zero1")
    for folder, name in (
        ("/etc/apt/apt.conf.d", "pibramble"),
        ("/etc/apt/apt.conf.d", "mmdebstrap"),
        ("/tmp", "mmdebstrap"),  # noqa: S108 (the card's)
        ("/usr/sbin", "policy-rc.d"),
        ("/dev", "null"),
    ):
        assert name not in on_root(image, f"ls -p {folder}"), folder
    assert "copy:" not in on_root(image, "cat /etc/apt/sources.list")


@pytest.mark.long
def test_a_second_build_makes_nothing(built: Builder) -> None:
    done = built.pibramble("card", "build", "--json")
    assert done.returncode == 0, done.stderr
    assert [card["reused"] for card in json.loads(done.stdout)] == [True, True]
