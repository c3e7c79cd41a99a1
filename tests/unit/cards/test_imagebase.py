"""From an image of each release to cards: what is taken over, what is turned off, and what is refused."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from pibramble import keys
from pibramble.cards import base, export, imagebase, inspect, systems, unpack
from pibramble.cards.assemble import Assembler
from pibramble.cards.base import Base
from pibramble.cards.content import of_card
from pibramble.cards.layout import read_layout
from pibramble.cards.recognise import UnknownImageError
from pibramble.cards.store import Store, Worth
from pibramble.catalog.load import boards
from pibramble.catalog.model import Architecture
from pibramble.errors import PibrambleError
from pibramble.files.model import Keyring
from pibramble.plan.model import NodePlan, Plan
from pibramble.plan.resolve import resolve
from pibramble.progress import SilentProgress
from pibramble.spec.model import CardsSection, Cluster, ClusterSection, HeadSection, Link, WorkerGroup
from tests.unit.cards import disks, images
from tests.unit.cards.disks import run
from tests.unit.cards.images import BOOKWORM, BULLSEYE, RELEASES, TRIXIE, Release

QUIET = SilentProgress()


def ensure(image: Path, *nodes: str) -> Base:
    return imagebase.ensure(imagebase.read(image, QUIET), [node(board) for board in nodes], QUIET)


def node(board: str) -> NodePlan:
    """Return a worker called like its board, with such a one."""
    plain = resolve(Cluster(workers=(WorkerGroup(name=board, link=Link.USB),))).workers[0]
    return attrs.evolve(plain, board=boards()[board])


def cluster(user: str) -> Cluster:
    return Cluster(
        cluster=ClusterSection(name="images", user=user),
        head=HeadSection(board="pi-3b"),
        workers=(
            WorkerGroup(name="zero1"),
            WorkerGroup(name="aplus", board="pi-1a-plus", link=Link.SERIAL, head_port="/dev/ttyAMA0"),
        ),
        cards=CardsSection(image="raspios.img"),
    )


@attrs.frozen
class Shop:
    """A cluster over the image of one release, its cards made and exported."""

    release: Release
    plan: Plan
    keyring: Keyring
    base: Base
    store: Store
    folder: Path

    def card(self, node: str) -> Path:
        return self.folder / f"{node}.img"

    def root(self, node: str, order: str) -> str:
        with self.card(node).open("rb") as stream:
            offset = read_layout(stream.read(512))[1].root.offset
        return run("debugfs", "-R", order, f"{self.card(node)}?offset={offset}")

    def boot(self, node: str, file: str) -> str:
        with self.card(node).open("rb") as stream:
            offset = read_layout(stream.read(512))[1].boot.offset
        return run("mtype", "-i", f"{self.card(node)}@@{offset}", f"::{file}")


@pytest.fixture(scope="module", params=[*RELEASES.values()], ids=[*RELEASES])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The user is pi where the image calls its own so, and another one in bookworm."""
    release: Release = request.param
    folder = tmp_path_factory.mktemp(release.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIBRAMBLE_CACHE", str(folder / "cache"))
        packed = images.pack(images.make(folder / "image", release, boot_mib=release.boot_mib), "xz")
        made = ensure(packed)
        plan = resolve(cluster("anna" if release is BOOKWORM else "pi"))
        keyring = keys.ensure(plan, folder / "state", QUIET)
        store = Store(folder / "state")
        Assembler(plan, keyring, store).make(plan.nodes, made, QUIET)
        for node in plan.nodes:
            with store.image(node.name) as image:
                export.raw(image, folder / f"{node.name}.img", QUIET)
        yield Shop(release, plan, keyring, made, store, folder)


@pytest.fixture(autouse=True)
def _private_cache(private_cache: Path) -> Path:
    return private_cache


def test_the_base_says_what_it_is_and_whom_it_fits(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shop.base.key.startswith(f"raspios-{shop.release.name}-armhf-")
    assert shop.base.release == shop.release.name
    assert shop.base.architecture is Architecture.ARMV6
    assert shop.base.packages["mpich"] == "4.2.1"
    monkeypatch.setenv("PIBRAMBLE_CACHE", str(shop.folder / "cache"))
    (packed,) = (shop.folder / "image").glob("2025*.xz")
    assert ensure(packed, "pi-zero", "pi-1b", "pi-2b", "pi-zero-2w", "pi-4b") == shop.base


@pytest.mark.parametrize("node", ["head", "zero1", "aplus"])
def test_cards_are_sound_and_as_planned(shop: Shop, node: str, tmp_path: Path) -> None:
    report = inspect.look(shop.card(node), shop.plan, shop.keyring)
    assert report.planned
    assert report.differences == ()
    for number, argv in ((0, ("fsck.fat", "-n")), (1, ("e2fsck", "-f", "-n"))):
        table = json.loads(run("sfdisk", "--json", shop.card(node)))["partitiontable"]["partitions"][number]
        part = tmp_path / "part"
        where = [f"if={shop.card(node)}", f"of={part}", "bs=1M", "iflag=skip_bytes,count_bytes", "conv=sparse"]
        run("dd", *where, f"skip={table['start'] * 512}", f"count={table['size'] * 512}")
        run(*argv, part)


def test_the_boot_partition_is_where_the_release_mounts_it(shop: Shop) -> None:
    lines = shop.root("zero1", "cat /etc/fstab").splitlines()
    boot = f"/{shop.release.boot_folder}"
    assert [line.split()[1] for line in lines if line.startswith("PARTUUID")] == ["/", boot]
    assert "5e1e3d4c" not in "".join(lines)
    content = of_card(shop.plan, shop.keyring, shop.plan.node("zero1"), shop.base.key)
    paths = [entry.path for entry in content.entries.entries]
    assert f"{boot}/config.txt" in paths
    assert boot == "/boot/firmware" or not any(path.startswith("/boot/firmware") for path in paths)


def test_the_kernel_starts_the_system_and_no_wizard(shop: Shop) -> None:
    words = shop.boot("zero1", "cmdline.txt").split()
    assert not [word for word in words if word.startswith(("init=", "systemd.run", "quiet", "resize"))]
    assert {"rootfstype=ext4", "fsck.repair=yes", "rootwait", "console=serial0,115200"} <= set(words)
    assert [word for word in words if word.startswith("root=PARTUUID=")] != ["root=PARTUUID=5e1e3d4c-02"]
    assert "serial0" not in shop.boot("aplus", "cmdline.txt")  # its serial port carries the link
    assert "include pibramble.txt" in shop.boot("zero1", "config.txt")
    assert "auto_initramfs=1" in shop.boot("zero1", "config.txt")


def test_what_the_release_would_do_at_its_first_boot_is_off(shop: Shop) -> None:
    masked = {
        BULLSEYE: ("resize2fs_once", "regenerate_ssh_host_keys", "userconfig", "dhcpcd", "NetworkManager"),
        BOOKWORM: ("resize2fs_once", "regenerate_ssh_host_keys", "userconfig", "NetworkManager"),
        TRIXIE: ("rpi-resize", "regenerate_ssh_host_keys", "userconfig", "NetworkManager"),
    }[shop.release]
    for unit in masked:
        assert 'Fast link dest: "/dev/null"' in shop.root("zero1", f"stat /etc/systemd/system/{unit}.service")
    wants = shop.root("zero1", "ls -p /etc/systemd/system/multi-user.target.wants")
    for unit in ("pibramble-grow.service", "systemd-networkd.service", "ssh.service"):
        assert f"/{unit}/" in wants
    assert "multi-user.target" in shop.root("zero1", "stat /etc/systemd/system/default.target")
    assert "Banner" not in shop.root("zero1", "cat /etc/ssh/sshd_config.d/rename_user.conf")
    assert shop.root("zero1", "cat /etc/machine-id") != "uninitialized\n"
    cloud = shop.root("zero1", "ls -p /etc/cloud")
    assert ("cloud-init.disabled" in cloud) == (shop.release is TRIXIE)


def test_the_images_first_user_becomes_the_clusters(shop: Shop) -> None:
    user = shop.plan.user
    accounts = {line.split(":")[0]: line.split(":") for line in shop.root("zero1", "cat /etc/passwd").splitlines()}
    assert accounts[user][2:] == ["1000", "1000", "pibramble", f"/home/{user}", "/bin/bash"]
    assert [name for name, fields in accounts.items() if fields[2] == "1000"] == [user]
    shadow = shop.root("zero1", "cat /etc/shadow")
    assert "secret" not in shadow  # a password that an image had opens nothing
    assert f"{user}:*:" in shadow
    groups = {line.split(":")[0]: line.split(":")[3] for line in shop.root("zero1", "cat /etc/group").splitlines()}
    assert {name for name, members in groups.items() if user in members.split(",")} >= {"sudo", "dialout", "gpio"}
    assert user in groups


def test_owners_links_and_rights_come_through(shop: Shop) -> None:
    assert "04755" in shop.root("zero1", "stat /usr/bin/sudo")
    assert shop.root("zero1", "stat /usr/bin/sudo") == shop.root("zero1", "stat /usr/bin/sudoedit")
    assert 'Fast link dest: "dash"' in shop.root("zero1", "stat /usr/bin/sh")
    assert "Group:    42" in shop.root("zero1", "stat /etc/shadow")
    assert shop.root("zero1", "cat /home/pi/.bashrc") == "# of the image\n"


def test_the_same_image_makes_no_second_base_however_it_is_called(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIBRAMBLE_CACHE", str(shop.folder / "cache"))
    (packed,) = (shop.folder / "image").glob("*.xz")
    other = packed.with_name("other.img.xz")
    other.write_bytes(packed.read_bytes())
    monkeypatch.setattr(unpack, "plain", None)  # nothing is unpacked any more
    assert ensure(other).key == shop.base.key


def test_a_card_over_another_image_is_out_of_date(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIBRAMBLE_CACHE", str(shop.folder / "cache"))
    assert shop.store.judge("zero1", shop.plan, shop.keyring).worth is Worth.CURRENT
    other = resolve(attrs.evolve(cluster(shop.plan.user), cards=CardsSection(image="newer.img")))
    assert shop.store.judge("zero1", other, shop.keyring).worth is Worth.PLAN_CHANGED


def test_a_head_whose_python_is_too_old_is_told(shop: Shop) -> None:
    said = imagebase.remarks(shop.base, "head", head=True)
    assert bool(said) == (shop.release is BULLSEYE)
    assert not imagebase.remarks(shop.base, "zero1", head=False)


# --- What does not fit ------------------------------------------------------------------------------------------------


def refused(image: Path, kind: type[PibrambleError] = PibrambleError) -> PibrambleError:
    with pytest.raises(kind) as caught:
        ensure(image)
    assert str(image) in caught.value.message
    assert [path.name for path in base.folder().iterdir() if not path.name.startswith(".lock")] == []
    return caught.value


def changed(folder: Path, **files: str) -> Path:
    """Make an image of trixie in which files are other ones: `etc__os_release` is /etc/os-release."""
    names = {name.replace("___", "-").replace("__", "/"): text for name, text in files.items()}
    return images.make(folder, TRIXIE, files={**images.tree(TRIXIE), **names})


UBUNTU = 'PRETTY_NAME="Ubuntu 24.04.2 LTS"\nID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n'
BUSTER = 'PRETTY_NAME="Raspbian GNU/Linux 10 (buster)"\nID=raspbian\nVERSION_CODENAME=buster\n'
DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_CODENAME=trixie\n'


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"usr__lib__os___release": UBUNTU}, "holds Ubuntu 24.04.2 LTS"),
        ({"usr__lib__os___release": BUSTER}, "holds Raspberry Pi OS buster (Raspbian GNU/Linux 10 (buster))"),
        ({"usr__lib__os___release": DEBIAN, "etc__rpi___issue": ""}, "(trixie), but not Raspberry Pi OS"),
        ({"usr__lib__os___release": ""}, "does not say which system"),
        ({"usr__bin__dash": images.elf(62).decode("latin-1")}, "its /bin/sh is programs for amd64"),
        ({"usr__bin__dash": "#!"}, "its /bin/sh is no program at all"),
        ({"etc__fstab": "PARTUUID=1-01 /boot vfat defaults 0 2\n"}, "mounts its boot partition at /boot; in trixie"),
    ],
)
def test_other_systems_are_refused_by_name(tmp_path: Path, files: dict[str, str], said: str) -> None:
    error = refused(changed(tmp_path, **files), UnknownImageError)
    assert said in error.message
    if "mounts" not in said:
        assert "these fit: Raspberry Pi OS bullseye, bookworm, trixie" in error.hint


def test_a_64_bit_image_calls_itself_debian_and_fits_64_bit_boards_only(tmp_path: Path) -> None:
    files = {"usr__lib__os___release": DEBIAN, "usr__bin__dash": images.ARM64_PROGRAM.decode("latin-1")}
    image = changed(tmp_path, **files)
    said = "64-bit programs for ARM64, which do not run on pi-zero: a Raspberry Pi Zero has an armv6"
    with pytest.raises(UnknownImageError, match=said) as caught:
        ensure(image, "pi-zero-2w", "pi-zero")
    assert "the 32-bit image" in caught.value.hint
    assert base.stored() == []  # before anything was made from it
    assert ensure(image, "pi-zero-2w", "pi-3b").key.startswith("raspios-trixie-arm64-")
    with pytest.raises(UnknownImageError, match="do not run on pi-2b"):  # nor when it is there already
        ensure(image, "pi-2b")


def test_debians_armhf_does_not_fit_a_zero(tmp_path: Path) -> None:
    image = changed(tmp_path, usr__bin__dash=images.ARMV7_PROGRAM.decode("latin-1"))
    assert ensure(image, "pi-2b", "pi-4b").architecture is Architecture.ARMV7
    with pytest.raises(UnknownImageError, match="32-bit programs for ARMv7, which do not run on pi-zero"):
        ensure(image, "pi-zero")


def test_a_gpt_is_refused(tmp_path: Path) -> None:
    assert "has a GPT" in refused(images.make(tmp_path, label="gpt")).message


def test_no_boot_files_no_card(tmp_path: Path) -> None:
    image = images.make(tmp_path, boot={"start.elf": "firmware"})
    assert "boot partition has no config.txt" in refused(image, UnknownImageError).message


def test_an_image_without_partitions_or_without_file_systems(tmp_path: Path) -> None:
    blank = tmp_path / "blank.img"
    blank.write_bytes(bytes(1 << 20))
    assert "no partition table" in refused(blank).message
    image = images.make(tmp_path / "made")
    first = (TRIXIE.first_mib + images.SMALL_BOOT_MIB) * images.MIB
    with image.open("r+b") as stream:
        stream.seek(first + 1024)
        stream.write(bytes(1024))
    assert "no ext4 file system" in refused(image).message


def test_an_image_cut_short_is_told_with_figures(tmp_path: Path) -> None:
    image = images.make(tmp_path)
    with image.open("r+b") as stream:
        stream.truncate(image.stat().st_size - 10_000_000)
    assert "it is cut short" in refused(image).message


def test_an_image_that_was_not_shut_down_is_refused(tmp_path: Path) -> None:
    root = images.make_root(tmp_path, images.tree(TRIXIE))
    run("debugfs", "-w", "-R", "feature needs_recovery", root)
    assert "was not unmounted" in refused(images.make(tmp_path, root=root)).message


def test_a_feature_that_is_not_read_is_named(tmp_path: Path) -> None:
    root = images.make_root(tmp_path, images.tree(TRIXIE), TRIXIE, "-O", "inline_data")
    assert "inline_data" in refused(images.make(tmp_path, root=root)).message


def test_a_link_in_the_place_of_a_folder_leads_nowhere(tmp_path: Path) -> None:
    """As root, removing its /etc/ssh/ssh_host_* would remove this machine's."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "ssh_host_ed25519_key").touch()
    root = images.make_root(tmp_path, images.tree(TRIXIE))
    orders = ["rm /etc/ssh/sshd_config", "rm /etc/ssh/sshd_config.d/rename_user.conf", "rmdir /etc/ssh/sshd_config.d"]
    orders += ["rmdir /etc/ssh", f"symlink /etc/ssh {outside}"]
    run("debugfs", "-w", "-f", "/dev/stdin", root, text="\n".join(orders))
    assert "/etc/ssh is a link" in refused(images.make(tmp_path, root=root)).message
    assert (outside / "ssh_host_ed25519_key").exists()


def test_a_packed_image_that_is_damaged_leaves_nothing(tmp_path: Path) -> None:
    packed = images.pack(images.make(tmp_path), "gz")
    with packed.open("r+b") as stream:
        stream.truncate(packed.stat().st_size - 4000)
    assert "is cut short" in refused(packed).message


@pytest.mark.parametrize("where", ["pibramble.cards.unpack.write_sparse", "pibramble.cards.imagebase.tarfile.open"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    packed = images.pack(images.make(tmp_path), "zst")
    monkeypatch.setattr(where, full)
    with pytest.raises(PibrambleError, match=f"the disk that holds {base.folder()} is full"):
        ensure(packed)
    assert [path.name for path in base.folder().iterdir() if not path.name.startswith(".lock")] == []


def test_packages_that_cannot_be_added_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs of a toy image do not run; that is as good as a mirror that does not answer."""
    monkeypatch.setattr("pibramble.cards.foreign.check", lambda _: None)
    packages = {name: "1" for name in images.everything() if name not in {"chrony", "mpich"}}
    image = images.make(tmp_path, files=images.tree(TRIXIE, packages=packages))
    with pytest.raises(PibrambleError, match="packages that the image lacks could not be added") as caught:
        ensure(image)
    assert "It lacks: chrony mpich" in caught.value.hint
    assert "Everything that was said" in caught.value.hint


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    image = imagebase.read(images.make(tmp_path), QUIET)
    left = base.folder() / f".unpacking-{image.suffix}-1"
    left.mkdir(parents=True)
    (left / "image.img").touch()
    imagebase.ensure(image, [], QUIET)
    assert not left.exists()


def test_a_boot_partition_too_small_in_the_image_is_not_too_small_on_the_card(tmp_path: Path) -> None:
    """The card's own boot partition is laid out anew, with room for as much again."""
    image = images.make(tmp_path, BULLSEYE, boot_mib=40)
    made = ensure(image)
    plan = resolve(cluster("pi"))
    store = Store(tmp_path / "state")
    keyring = keys.ensure(plan, tmp_path / "state", QUIET)
    (card,) = Assembler(plan, keyring, store).make([plan.node("zero1")], made, QUIET)
    assert card.head.size_bytes > 256 * images.MIB


def test_every_key_of_a_base_names_its_system() -> None:
    assert systems.of_key("raspios-bullseye-armhf-0123456789ab").boot_folder == "/boot"
    for key in ("trixie-armel-head-0123456789ab", "toy", "(not built)", "raspios-buster-armhf-0"):
        assert systems.of_key(key).name == "Debian"


def test_the_parts_of_a_toy_are_what_the_programs_say(tmp_path: Path) -> None:
    """A check of the helper itself: its partitions, as sfdisk and blkid name them."""
    image = images.make(tmp_path, BULLSEYE, boot_mib=BULLSEYE.boot_mib)
    table = json.loads(run("sfdisk", "--json", image))["partitiontable"]
    assert (table["label"], table["id"]) == ("dos", "0x5e1e3d4c")
    assert [part["start"] * 512 // images.MIB for part in table["partitions"]] == [4, 260]
    assert disks.TREE["etc/hostname"] in run("debugfs", "-R", "cat /etc/hostname", f"{image}?offset={260 * images.MIB}")
