"""What the emulator adds to a card's boot, and what it cannot do: all of it, in one place.

`pibramble emulator differences` prints this list. A card is booted as it is; what stands here is done around it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from pibramble.targets.emulator.machines import Machine


@attrs.frozen
class Difference:
    """One thing that is not as on the board."""

    subject: str
    board: str  # how it is there
    emulator: str  # how it is here


DIFFERENCES = (
    Difference(
        "firmware",
        "bootcode.bin and start.elf read config.txt, apply overlays, and start the kernel",
        "QEMU is given the kernel, initramfs, device tree and command line that the card's boot partition names; "
        "config.txt is read for the kernel and the initramfs alone (with its model filters), overlays and dtparams "
        "have no effect; a 64-bit board always starts a 64-bit kernel",
    ),
    Difference(
        "USB, device mode",
        "the controller dwc2 is the device's end of the cable",
        "QEMU's dwc2 is a host only: the card's own g_ether gets the kernel's usbip-vudc instead, and the head's "
        "cdc_ether gets vhci-hcd; what the cable carries goes over a hidden network of TCP connections",
    ),
    Difference(
        "initramfs",
        "as it is on the card",
        "an archive is appended that puts units into /run, for the hidden network and the USB cables",
    ),
    Difference(
        "head's uplink",
        "Ethernet on a USB chip, or Wi-Fi",
        "a USB network adapter of QEMU's (virtio's on a Pi 2 and 64-bit boards) that is named as the plan names the "
        "uplink",
    ),
    Difference(
        "Ethernet links",
        "a switch between the head and workers that have a port",
        "none: a cluster with such workers is refused",
    ),
    Difference(
        "console",
        "ttyAMA0, unless that carries a link",
        "the second UART (ttyS1), which is off in the device tree that the card brings and is switched on; on a "
        "Pi 2 and 64-bit boards a UART on PCI (ttyS0)",
    ),
    Difference(
        "UART clock",
        "init_uart_clock of config.txt bounds the baud rate",
        "QEMU's UARTs carry any rate as fast as the machine emulates, unless `[emulator] paced` is set",
    ),
    Difference(
        "power domains",
        "a driver switches the power of USB, camera and graphics",
        "QEMU has no such block and the kernel's driver would crash on it: it is left out",
    ),
    Difference(
        "SD card",
        "of any size",
        "of the next power of two, at least 2 GiB: other sizes QEMU refuses. Writes go to a throw-away layer",
    ),
    Difference(
        "memory",
        "256 MB on a Model A; a Pi 4 may have more than the 1 GB of the smallest",
        "512 MB where QEMU has the board, since it has no other size; on a Pi 2 and 64-bit boards what the smallest "
        "has",
    ),
    Difference(
        "Pi 2 and 64-bit boards",
        "BCM2836 to BCM2712 with their own UARTs, SD host and USB",
        "QEMU's generic `virt` machine with virtio devices: the card's kernel, programs and files are tried, "
        "the board's drivers are not. It has one core, on which a node's ranks take turns, and a clock that goes on "
        "without power, which the boards lack",
    ),
    Difference(
        "speed",
        "700 MHz and more; USB carries 90 Mbit/s and more, a UART what its baud rate says",
        "whatever this machine emulates, some 50 kB/s on a link: times and rates say nothing about boards",
    ),
    Difference(
        "time",
        "a second is a second",
        "while a board works, its clock counts its instructions (2 ns each), while it idles, real time: on a busy PC "
        "it falls behind. What a program measures there says how much it did, not how long it would take",
    ),
    Difference(
        "a panic",
        "the board stands still, or starts anew by its watchdog",
        "the emulated board ends (panic=-1), so that `up` can say so",
    ),
    Difference(
        "a silent boot",
        "a kernel that says nothing more stays so until somebody pulls the plug",
        "a kernel that says nothing before systemd starts, for 60 s in which QEMU has 20 s of processor time, or for "
        "300 s, is taken for a hang of QEMU's: its board is started again, twice at most. `up` and "
        "`card verify --boot` say how often",
    ),
)

# What `bench` says below its figures.
ABOUT_TIMES = "Emulator figures: a guest's clock counts its instructions, so they say nothing about boards."

# What `status` says below its table; the list above has the rest.
NOT_MODELLED = (
    "Speed: links and processors are as fast as this machine emulates them.",
    "The boards' firmware, overlays, LEDs and power; `pibramble emulator differences` lists everything.",
)

# What an emulated Pi needs to hear beyond its card's own command line.
_WORDS = ("panic=-1", "rdinit=/pibramble/init")
_BOARD_WORDS = ("initcall_blacklist=bcm2835_power_driver_init",)
_CONSOLE = re.compile(r"(?:console|kgdboc)=\S*")


def command_line(card: str, machine: Machine) -> str:
    """Return what the kernel is told: the card's own words, with the console moved and the emulator's words added."""
    own = [word for word in card.split() if not _CONSOLE.fullmatch(word)]
    more: Sequence[str] = _BOARD_WORDS if machine.is_board else ()
    return " ".join([f"console={machine.console}", *own, *more, *_WORDS])
