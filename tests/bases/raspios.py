"""Raspberry Pi OS as far as Debian's own packages make it: images that really boot.

What Raspberry Pi adds by itself (its kernel, its firmware, raspi-config, what runs at the first boot) cannot be had
where this is tested. In their places: Debian's kernel, under the names that the firmware looks for, and units of the
same names that leave a mark when they run, which none must on a card of ours. The rest is what an image has, by
RPi-Distro/pi-gen's lists of packages (stage0 to stage2, June 2026): NetworkManager, Bluetooth, Avahi, cloud-init from
trixie on, a compiler.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import attrs
import pytest

from pibramble.cards import mirror
from tests.bases.builder import Builder, make_builder
from tests.unit.cards import images
from tests.unit.cards.images import MIB, Release

_PACKAGES = (
    *("systemd", "systemd-sysv", "systemd-timesyncd", "udev", "kmod", "dbus", "initramfs-tools", "e2fsprogs", "apt"),
    *("openssh-server", "sudo", "less", "nano", "console-setup", "keyboard-configuration", "bash-completion"),
    *("build-essential", "parted", "dosfstools", "fdisk", "python3", "ca-certificates", "curl", "usbutils", "rsync"),
    *("man-db", "ethtool", "udisks2", "file", "netbase", "net-tools", "iproute2", "iputils-ping"),
    *("avahi-daemon", "bluez", "wpasupplicant", "network-manager", "libcap2-bin"),
)
_OF_RELEASE = {"bookworm": ("fake-hwclock", "modemmanager"), "trixie": ("cloud-init",)}
_OTHER_NAMES = {"bookworm": "oldstable", "trixie": "stable"}
MARKS = "/var/lib/first-boot"  # what ran at the first boot
BOOT_MIB = 256
_AS_ROOT = ("unshare", "--user", "--map-root-user", "--map-auto")  # for a builder, who is none

# Run by mmdebstrap as root of its namespace; $1 is the system's folder. The first before there is an initramfs: what
# Debian would put into one takes half an hour to gather under emulation.
_SMALL = """\
#!/bin/sh
set -e
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/etc/initramfs-tools/hooks"
echo MODULES=list >"$1/etc/initramfs-tools/conf.d/small"
cat >"$1/etc/initramfs-tools/hooks/small" <<'END'
#!/bin/sh
[ "$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules ext4 crc32c_generic virtio_pci virtio_blk sdhci-iproc bcm2835
END
chmod 755 "$1/etc/initramfs-tools/hooks/small"
"""
_DRESS = """\
#!/bin/sh
set -e
boot="$1{boot}"
mkdir -p "$boot/overlays" "$1{marks}"
cp "$1"/boot/vmlinuz-* "$boot/{kernel}"
cp "$1"/boot/initrd.img-* "$boot/{initramfs}"
for tree in zero:zero b-rev2:b; do
    for file in "$1"/usr/lib/linux-image-*/"bcm2835-rpi-${{tree%:*}}.dtb"; do
        [ ! -e "$file" ] || cp "$file" "$boot/bcm2708-rpi-${{tree#*:}}.dtb"
    done
done
echo raspberrypi >"$1/etc/hostname"
echo '127.0.1.1 raspberrypi' >>"$1/etc/hosts"
chroot "$1" adduser --quiet --disabled-password --gecos ,,, --uid 1000 pi
for group in adm dialout cdrom audio users sudo video plugdev netdev; do
    chroot "$1" adduser --quiet pi "$group" || true
done
for unit in userconfig regenerate_ssh_host_keys sshswitch {units}; do
    printf '[Unit]\\nDescription=%s\\n[Service]\\nType=oneshot\\nExecStart=/usr/bin/touch {marks}/%s\\n[Install]\\n' \\
        "$unit" "$unit" >"$1/usr/lib/systemd/system/$unit.service"
    printf 'WantedBy=multi-user.target\\n' >>"$1/usr/lib/systemd/system/$unit.service"
    chroot "$1" systemctl --quiet enable "$unit.service"
done
chroot "$1" systemctl --quiet disable ssh.service
chroot "$1" setcap cap_net_raw+ep /usr/bin/ping # as bookworm's package does, and trixie's does not
rm -f "$1"/etc/ssh/ssh_host_*
"""
# Bookworm's is a script of the older kind, which systemd makes a unit of.
_RESIZE = """\
cat >"$1/etc/init.d/resize2fs_once" <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides:          resize2fs_once
# Required-Start:
# Required-Stop:
# Default-Start:     3
# Default-Stop:
# Short-Description: Resize the root filesystem to fill partition
### END INIT INFO
touch {marks}/resize2fs_once
END
chmod 755 "$1/etc/init.d/resize2fs_once"
chroot "$1" update-rc.d resize2fs_once defaults
"""


@attrs.frozen
class Kind:
    """One of Raspberry Pi's images."""

    release: Release
    architecture: str  # Debian's
    package: str  # of the kernel
    kernel: str  # its name on the boot partition
    initramfs: str


KINDS = {
    "armel": Kind(images.TRIXIE, "armel", "linux-image-rpi", "kernel.img", "initramfs"),
    "arm64": Kind(images.BOOKWORM, "arm64", "linux-image-arm64", "kernel8.img", "initramfs8"),
}


def make(architecture: str, stranger: tuple[str, ...]) -> Path:
    """Return the packed image, made if it is not there: under emulation, ten minutes and more."""
    kind = KINDS[architecture]
    builder = make_builder(f"raspios-{architecture}", "", stranger)
    image = builder.folder / "raspios.img.xz"
    if image.exists():
        return image
    scratch = builder.folder / "raspios"
    builder.run(*_AS_ROOT, "--", "rm", "-rf", str(scratch))
    builder.run("mkdir", str(scratch))
    _bootstrap(builder, kind, scratch)
    features = kind.release.root_features
    boot = kind.release.boot_folder
    # Not by what is tested: whoever makes such images has other programs.
    script = (
        "mkdir tree && tar -xf root.tar -C tree --numeric-owner --xattrs '--xattrs-include=*' '--exclude=./dev/*' && "
        f"mv tree/{boot} boot && "
        f"mkdir tree/{boot} && truncate -s $(($(du -sm tree | cut -f1) * 6 / 5 + 300))M root.ext4 && "
        f"mkfs.ext4 -q -F -O {features} -d tree root.ext4 && rm -rf tree root.tar && chmod -R a+rX boot root.ext4"
    )
    argv = [*_AS_ROOT, "--wd", str(scratch), "--", "sh", "-ec", script]
    done = builder.run(*argv)
    assert done.returncode == 0, done.stderr
    plain = images.make(scratch / "image", kind.release, root=scratch / "root.ext4", boot_mib=BOOT_MIB)
    first = kind.release.first_mib * MIB
    for path in sorted((scratch / "boot").iterdir()):
        subprocess.run(["mcopy", "-o", "-s", "-i", f"{plain}@@{first}", path, "::"], check=True)
    images.pack(plain, "xz").replace(image)
    image.chmod(0o644)
    shutil.rmtree(scratch / "image")  # ours, not the builder's
    builder.run(*_AS_ROOT, "--", "rm", "-rf", str(scratch))
    return image


def _bootstrap(builder: Builder, kind: Kind, scratch: Path) -> None:
    """Make the system, as root.tar in `scratch`."""
    release = kind.release
    words = {"boot": f"/{release.boot_folder}", "marks": MARKS, "kernel": kind.kernel, "initramfs": kind.initramfs}
    text = _DRESS.format(units="rpi-resize" if release.name == "trixie" else "", **words)
    text += _RESIZE.format(**words) if release.name == "bookworm" else ""
    for name in ("rpi-issue", "fstab"):
        (scratch / name).write_text(images.tree(release)[f"etc/{name}"])
        text += f'cp "{scratch / name}" "$1/etc/{name}"\n'
    for name, script in (("small", _SMALL), ("dress", text)):
        (scratch / name).write_text(script)
        (scratch / name).chmod(0o755)
    packages = (*_PACKAGES, kind.package, *_OF_RELEASE[release.name])
    argv = ["mmdebstrap", "--mode=unshare", "--variant=important", "--format=tar"]
    argv += [f"--architectures={kind.architecture}", f"--include={','.join(packages)}"]
    argv += [f"--essential-hook={scratch / 'small'}", f"--customize-hook={scratch / 'dress'}"]
    argv += [release.name, str(scratch / "root.tar")]
    for suite in (release.name, _OTHER_NAMES[release.name]):  # one may be whole where the mirror is half way
        sources = "\n".join(source.deb822() for source in mirror.sources(suite, ["main"]) if not source.optional)
        (scratch / "debian.sources").write_text(sources)
        done = builder.run(*argv, str(scratch / "debian.sources"))
        if done.returncode == 0:
            return
    if "Mirror sync in progress" in done.stderr or re.search(r"^E: Failed to fetch .* 404", done.stderr, re.MULTILINE):
        pytest.skip("the mirror is half way between two releases, by every name of the release")
    pytest.fail(done.stderr[-5000:])
