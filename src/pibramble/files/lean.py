"""What a board without screen, sound and camera need not do when it starts, so that it is there sooner.

Only what nothing here uses is left out. Measured in the emulator (docs/emulator.md); on a board: unverified.
"""

from __future__ import annotations

from collections.abc import Iterator

from pibramble.files import units
from pibramble.files.model import NodeFile, Symlink

_MASKED = {
    # Six log-in prompts on virtual consoles, since there is neither logind nor a screen.
    "getty-static.service": "nobody sits at a screen",
    "getty@tty1.service": "nobody sits at a screen",
    # File systems of the kernel's that developers and graphics use; mounted by hand they are still there.
    "sys-kernel-debug.mount": "nothing here uses it",
    "sys-kernel-tracing.mount": "nothing here uses it",
    "sys-fs-fuse-connections.mount": "nothing here uses it",
    "dev-mqueue.mount": "nothing here uses it",
    "sys-kernel-config.mount": "nothing here uses it",
    "systemd-pstore.service": "no crash survives in a card's board",
    "systemd-udev-load-credentials.service": "nobody hands credentials to a card",
    "systemd-binfmt.service": "a board runs programs of its own kind",
    "modprobe@drm.service": "nobody sits at a screen",
    # LVM's business.
    "e2scrub_reap.service": "there is no LVM on a card",
    "e2scrub_all.timer": "there is no LVM on a card",
    # A download in the middle of a job would be measured as part of it.
    "apt-daily.timer": "no package is fetched while a job runs",
    "apt-daily-upgrade.timer": "no package is fetched while a job runs",
}

# udev loads a driver for every device that the device tree has, wanted or not.
_UNUSED_DRIVERS = ("vc4", "vchiq", "snd_bcm2835", "bcm2835_v4l2", "bcm2835_codec", "bcm2835_isp", "bcm2835_mmal_vchiq")


def services(*, usb_configured: bool = False) -> Iterator[Symlink]:
    """Yield the units that do not start; `usb_configured`: what the USB port is, is said in the kernel's configfs."""
    for unit, why in _MASKED.items():
        if not (usb_configured and unit == "sys-kernel-config.mount"):
            yield units.mask(unit, why)
    why = "no desktop on a node: it has no screen"
    yield Symlink("/etc/systemd/system/default.target", "/usr/lib/systemd/system/multi-user.target", why)


def drivers() -> NodeFile:
    """Return the drivers that are not loaded by themselves, as modprobe.d(5)."""
    head = "# Graphics, sound and camera: seconds at boot, and milliamperes ever after.\n"
    content = head + "".join(f"blacklist {name}\n" for name in _UNUSED_DRIVERS)
    return NodeFile("/etc/modprobe.d/pibramble-lean.conf", content, "no drivers for what is not there")
