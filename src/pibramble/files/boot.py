"""The firmware's and the kernel's start: config.txt, cmdline.txt, and serial ports that nobody else may use.

config.txt gets one line, which includes a file of ours: what a person changes in config.txt stays, and what is ours
can be seen and taken out in one place. https://www.raspberrypi.com/documentation/computers/config_txt.html
Nothing here has been seen on a physical board yet (verify): QEMU does not run the firmware.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pibramble.catalog.model import Uart
from pibramble.files import containers, units
from pibramble.files.model import Edit, NodeFile, Symlink
from pibramble.plan.model import NodePlan, Plan
from pibramble.spec.model import Link

_BOOT = "/boot/firmware"
_UART_CLOCK_HZ = 48_000_000  # the firmware's default today; it was 3 MHz once
_SAMPLES_PER_BIT = 16  # PL011 (ARM DDI 0183): a bit takes 16 periods of the UART's clock at least
_HEADER_UARTS = ("/dev/ttyAMA0", "/dev/ttyS0")  # which of them `serial0` means differs from board to board


def head(plan: Plan) -> Iterator[NodeFile | Edit | Symlink]:
    """Yield what the head's boot partition must say."""
    ports = {worker.link.head_port: worker.link.baud for worker in plan.workers if _is_serial(worker) and worker.link}
    if plan.gps:
        ports[plan.gps.port] = plan.gps.baud
    words = [*containers.kernel_words(plan)]
    words += ["net.ifnames=0"] if re.fullmatch(r"(?:eth|wlan)\d+", plan.uplink.interface) else []
    yield from _boot(plan.head, {port: baud or 0 for port, baud in ports.items() if port}, words, gadget=False)


def worker(plan: Plan, node: NodePlan) -> Iterator[NodeFile | Edit | Symlink]:
    """Yield what a worker's boot partition must say."""
    link = node.link
    ports = {link.worker_port: link.baud or 0} if link and link.kind is Link.SERIAL and link.worker_port else {}
    gadget = link is not None and link.kind is Link.USB
    console = any(console.name == node.name for console in plan.consoles)
    yield from _boot(node, ports, containers.kernel_words(plan), gadget=gadget, console=console)


def _boot(
    node: NodePlan, ports: dict[str, int], words: Sequence[str], *, gadget: bool, console: bool = False
) -> Iterator[NodeFile | Edit | Symlink]:
    """Yield the boot files of one node, whose serial `ports` (device -> baud) carry links or a receiver."""
    for port in ports:
        yield units.mask(f"serial-getty@{_tty(port)}.service", f"no log-in prompt on {port}: it has other work")
    if not node.board.firmware:
        return
    settings = _settings(node, ports, gadget=gadget, console=console)
    yield NodeFile(f"{_BOOT}/pibramble.txt", settings, "settings of the board's firmware")
    yield Edit(
        f"{_BOOT}/config.txt",
        "config.txt includes pibramble.txt; no desktop's graphics",
        remove=(
            r"^\[all\]\ninclude pibramble\.txt\n?",
            # Without the driver nothing switches the screen on: some 20 mA less.
            r"^dtoverlay=vc4-f?kms-v3d.*\n?",
            *((r"^dtoverlay=dwc2\b.*\n?",) if gadget else ()),
        ),
        # [all]: whatever section the file ends in, ours is for this board.
        add=("[all]\ninclude pibramble.txt",),
    )
    if words or ports:
        why = _why(ports, words)
        yield Edit(f"{_BOOT}/cmdline.txt", why, _without_consoles(ports), tuple(words), separator=" ")


def _why(ports: dict[str, int], words: Sequence[str]) -> str:
    reasons = ["the kernel's console leaves the serial ports"] if ports else []
    reasons += ["interfaces keep the kernel's names"] if "net.ifnames=0" in words and not ports else []
    reasons += ["containers' memory is counted and can be limited"] if containers.MEMORY_GROUP in words else []
    return ", ".join(reasons)


def _settings(node: NodePlan, ports: dict[str, int], *, gadget: bool, console: bool) -> str:
    uarts = [uart for uart in node.board.uarts if uart.device in ports]
    lines = [f"# What pibramble needs of {node.name}'s firmware. config.txt includes this file."]
    if gadget:
        lines += ["", "# The USB port is a device.", "dtoverlay=dwc2,dr_mode=peripheral"]
    if uarts:
        lines += ["", "# Serial ports that have other work than a console.", *_serial_settings(uarts, ports)]
    if console:  # on boards whose first UART is Bluetooth's the firmware leaves it off otherwise
        lines += ["", "# The console is on the UART.", "enable_uart=1"]
    lines += ["", "# No screen.", "hdmi_ignore_hotplug=1", "enable_tvout=0", "display_auto_detect=0"]
    lines += ["", "# No light.", "dtparam=act_led_trigger=none"]
    if node.board.act_led_active_low:
        lines.append("dtparam=act_led_activelow=on")
    return "\n".join(lines) + "\n"


def _serial_settings(uarts: Sequence[Uart], ports: dict[str, int]) -> list[str]:
    needs = [line for uart in uarts for line in uart.needs.splitlines()]
    if any(uart.device in _HEADER_UARTS for uart in uarts):
        needs.insert(0, "enable_uart=1")
    fastest = max((ports[uart.device] for uart in uarts if uart.kind == "pl011"), default=0)
    if fastest:
        needs.append(f"init_uart_clock={max(_UART_CLOCK_HZ, fastest * _SAMPLES_PER_BIT)}")
    return list(dict.fromkeys(needs))


def _without_consoles(ports: dict[str, int]) -> tuple[str, ...]:
    """Return what goes from cmdline.txt: consoles and debuggers on the links' ports."""
    names = {_tty(port) for port in ports}
    names |= {"serial0"} if any(port in _HEADER_UARTS for port in ports) else set()
    return tuple(rf"(?<!\S)(?:console|kgdboc)={re.escape(name)}(?:,\S*)?(?:[ \t]+|$)" for name in sorted(names))


def _tty(port: str) -> str:
    return port.removeprefix("/dev/").replace("/", "-")


def _is_serial(worker: NodePlan) -> bool:
    return worker.link is not None and worker.link.kind is Link.SERIAL
