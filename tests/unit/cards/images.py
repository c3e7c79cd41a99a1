"""Toy images of Raspberry Pi OS: partitions, paths, marks and first-boot switches of the real ones, in a few MB.

What is real here is taken from RPi-Distro/pi-gen, branches bullseye, bookworm and master (trixie) of June 2026:
partitions and file systems from export-image/prerun.sh, cmdline.txt and config.txt from stage1/00-boot-files (and
stage2's 07-resize-init.diff), fstab from stage1/01-sys-tweaks, /etc/rpi-issue from scripts/common, the user from
stage1/01-sys-tweaks/00-run.sh, userconf's files from RPi-Distro/userconf-pi. No real image has been read.
"""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import attrs

from pibramble.cards import recipe
from tests.unit.cards import disks
from tests.unit.cards.disks import run

MIB = 1024 * 1024
SMALL_BOOT_MIB = 160  # where its size does not matter: FAT32 in any case
ISSUE = "Raspberry Pi reference 2025-05-13\nGenerated using pi-gen, https://github.com/RPi-Distro/pi-gen, abc, stage2\n"
_FIRST_USER = "pi:x:1000:1000:,,,:/home/pi:"
_GROUPS = "adm:x:4:pi\ndialout:x:20:pi\nsudo:x:27:pi\nvideo:x:44:pi\npi:x:1000:\n"


@attrs.frozen
class Release:
    """What differs between the releases, as far as it matters here."""

    name: str
    number: int
    boot_folder: str
    first_mib: int  # where the boot partition begins
    boot_mib: int
    per_cluster: int  # sectors
    cmdline: str
    root_features: str
    login: str  # the first user's shell
    unit: str  # that grows the root, or makes the first user


_BASIC = "console=serial0,115200 console=tty1 root=PARTUUID={id}-02 rootfstype=ext4 fsck.repair=yes rootwait"
_FIRSTBOOT = f"{_BASIC} quiet init=/usr/lib/raspberrypi-sys-mods/firstboot"
BULLSEYE = Release(
    *("bullseye", 11, "boot", 4, 256, 4),
    cmdline=_FIRSTBOOT,
    root_features="^huge_file,^64bit",
    login="/bin/bash",
    unit="etc/init.d/resize2fs_once",
)
BOOKWORM = Release(
    *("bookworm", 12, "boot/firmware", 8, 512, 4),
    cmdline=_FIRSTBOOT,
    root_features="^huge_file,^64bit",
    login="/bin/bash",
    unit="etc/init.d/resize2fs_once",
)
TRIXIE = Release(
    *("trixie", 13, "boot/firmware", 8, 512, 1),
    cmdline=f"{_BASIC} resize",
    root_features="^huge_file,^64bit",
    login="/usr/sbin/nologin",  # adduser --disabled-login
    unit="usr/lib/systemd/system/rpi-resize.service",
)
RELEASES = {release.name: release for release in (BULLSEYE, BOOKWORM, TRIXIE)}

CONFIG = """\
dtparam=audio=on
camera_auto_detect=1
auto_initramfs=1
dtoverlay=vc4-kms-v3d
max_framebuffers=2
arm_boost=1

[cm4]
otg_mode=1

[cm5]
dtoverlay=dwc2,dr_mode=host

[all]
"""


def elf(machine: int = 40, *, cpu: int = 6, hard: bool = True, wide: bool | None = None) -> bytes:
    """Return a program's header, with the build attributes that a compiler for ARM writes."""
    if wide if wide is not None else machine in {62, 183}:
        return b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, *(0,) * 10)
    tags = bytes([5]) + b"6\0" + bytes([6, cpu, 8, 1, 9, 1, 10, 2, 28, 1])  # CPU name, arch, ISAs, FP, VFP arguments
    body = bytes([1]) + struct.pack("<I", 5 + len(tags)) + tags
    vendor = b"aeabi\0" + body
    section = b"A" + struct.pack("<I", 4 + len(vendor)) + vendor
    names = b"\0.ARM.attributes\0.shstrtab\0"
    at = 52
    table_at = at + len(section) + len(names)
    table_at += -table_at % 4
    header = b"\x7fELF\x01\x01\x01".ljust(16, b"\0") + struct.pack(
        *("<HHIIIIIHHHHHH", 3, machine, 1, 0, 0, table_at, 0x5000000 | (0x400 if hard else 0x200)),
        *(52, 32, 0, 40, 3, 2),
    )
    entry = struct.Struct("<10I")
    table = entry.pack(*(0,) * 10)
    table += entry.pack(1, 0x70000003, 0, 0, at, len(section), 0, 0, 1, 0)
    table += entry.pack(17, 3, 0, 0, at + len(section), len(names), 0, 0, 1, 0)
    return (header + section + names).ljust(table_at, b"\0") + table


ARMV6_PROGRAM = elf()
ARMV7_PROGRAM = elf(cpu=10)
ARM64_PROGRAM = elf(183)


def status(packages: dict[str, str]) -> str:
    """Return dpkg's list of what is installed."""
    return "\n".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: armhf\nVersion: {version}\n"
        for name, version in packages.items()
    )


def everything() -> dict[str, str]:
    """Return all packages that a card needs, as if the image had them."""
    return dict.fromkeys(recipe.packages(["everywhere", "compiler", "head"]), "4.2.1")


def tree(release: Release, program: bytes = ARMV6_PROGRAM, packages: dict[str, str] | None = None) -> dict[str, str]:
    """Return the files of the root."""
    said = f'PRETTY_NAME="Raspbian GNU/Linux {release.number} ({release.name})"\nID=raspbian\nID_LIKE=debian\n'
    boot = f"/{release.boot_folder}"
    return {
        **disks.TREE,
        "usr/lib/os-release": f"{said}VERSION_CODENAME={release.name}\n",
        "etc/rpi-issue": ISSUE,
        "etc/fstab": "proc            /proc           proc    defaults          0       0\n"
        f"PARTUUID=5e1e3d4c-01  {boot}  vfat    defaults          0       2\n"
        "PARTUUID=5e1e3d4c-02  /               ext4    defaults,noatime  0       1\n",
        "etc/passwd": disks.PASSWD + _FIRST_USER + release.login + "\n",
        "etc/group": "root:x:0:\nmessagebus:x:998:\n" + _GROUPS,
        "etc/shadow": disks.SHADOW + "pi:$y$j9T$secret$secret:20000:0:99999:7:::\n",
        "etc/gshadow": "root:*::\nadm:*::pi\nsudo:*::pi\npi:!::\n",
        "etc/ssh/sshd_config.d/rename_user.conf": "Banner /usr/share/userconf-pi/sshd_banner\n",
        "etc/machine-id": "uninitialized\n",
        "usr/lib/systemd/system/userconfig.service": "[Service]\nExecStart=/usr/lib/userconf-pi/userconf-service\n",
        release.unit: "grows the root\n",
        "usr/bin/dash": program.decode("latin-1"),
        "home/pi/.bashrc": "# of the image\n",
        "var/lib/dpkg/status": status(everything() if packages is None else packages),
    }


BOOT = {"config.txt": CONFIG, "issue.txt": ISSUE, "kernel.img": "kernel" * 20_000, "overlays/dwc2.dtbo": "overlay\n"}


def make(  # noqa: PLR0913 (all that can be wrong with an image)
    folder: Path,
    release: Release = TRIXIE,
    *,
    files: dict[str, str] | None = None,
    boot: dict[str, str] | None = None,
    label: str = "dos",
    root: Path | None = None,
    boot_mib: int = SMALL_BOOT_MIB,
) -> Path:
    """Make an image as pi-gen's export-image/prerun.sh does: sparse, two partitions."""
    folder.mkdir(exist_ok=True, parents=True)
    image = folder / f"2025-05-13-raspios-{release.name}-armhf-lite.img"
    if root is None:
        root = make_root(folder, tree(release) if files is None else files, release)
    first = release.first_mib
    with image.open("wb") as stream:
        stream.truncate((first + boot_mib) * MIB + root.stat().st_size + MIB)
    kinds = ("c", "83") if label == "dos" else ("uefi", "linux")
    sectors = root.stat().st_size // 512
    identity = "label-id: 0x5e1e3d4c\n" if label == "dos" else ""
    parts = f"start={first}MiB, size={boot_mib}MiB, type={kinds[0]}\nsize={sectors}, type={kinds[1]}\n"
    run("sfdisk", "--quiet", image, text=f"label: {label}\n{identity}{parts}")
    contents = {**BOOT, "cmdline.txt": release.cmdline.format(id="5e1e3d4c") + "\n"} if boot is None else boot
    fat = folder / "boot.fat"
    with fat.open("wb") as stream:
        stream.truncate(boot_mib * MIB)
    size = "32" if boot_mib > 128 else "16"  # as pi-gen chooses
    run("mkfs.vfat", "-n", "bootfs", "-F", size, "-s", release.per_cluster, fat)
    source = disks.make_tree(folder / "boot", contents)
    for path in sorted(source.iterdir()):
        run("mcopy", "-s", "-i", fat, path, "::")
    for part, at in ((fat, first * MIB), (root, (first + boot_mib) * MIB)):
        run("dd", f"if={part}", f"of={image}", "bs=1M", f"seek={at // MIB}", "conv=notrunc,sparse")
        part.unlink()
    return image


def make_root(folder: Path, files: dict[str, str], release: Release = TRIXIE, *options: str) -> Path:
    """Make the ext4 root, with the links and rights that a system has."""
    root = disks.make_tree(folder / "root", {path: text for path, text in files.items() if text})
    for path, text in files.items():
        if path == "usr/bin/dash":
            (root / path).write_bytes(text.encode("latin-1"))
    (root / "bin").symlink_to("usr/bin")
    (root / "usr/bin/sh").symlink_to("dash")
    if "usr/lib/os-release" in files:
        (root / "etc/os-release").unlink(missing_ok=True)
        (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    (root / release.boot_folder).mkdir(parents=True, exist_ok=True)
    (root / "usr/bin/sudo").write_text("sudo\n")
    (root / "usr/bin/sudo").chmod(0o4755)
    (root / "usr/bin/sudoedit").hardlink_to(root / "usr/bin/sudo")
    return disks.make_ext4(folder / "root.ext4", root, "-O", release.root_features, *options)


def pack(image: Path, kind: str) -> Path:
    """Pack an image by the real program, which keeps what it packs."""
    argv = {"xz": ["xz", "-1", "--keep"], "gz": ["gzip", "-1", "--keep"], "zst": ["zstd", "-q", "--keep"]}[kind]
    subprocess.run([*argv, str(image)], check=True)
    return image.with_name(f"{image.name}.{kind}")
