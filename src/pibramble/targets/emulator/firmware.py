"""What the boards' firmware makes of config.txt: which kernel and which initramfs it starts.

https://www.raspberrypi.com/documentation/computers/config_txt.html (Boot options, Conditional filters). The firmware is
closed: these are its documented rules, not its code.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

_FILTER = re.compile(r"\[(.+)\]")
_MODEL = re.compile(r"(?:pi|cm)\d.*")
_SETTING = re.compile(r"(\w+)\s*=\s*(.*)")
# The one setting that has no equals sign. Where in memory it goes may follow.
_INITRAMFS = re.compile(r"(initramfs)\s+(\S+)(?:\s+\S+)?")


def settings(config: str, models: Collection[str]) -> Mapping[str, str]:
    """Return what config.txt sets for a board that the model filters `models` let through; later lines win.

    Filters of other kinds (a monitor's name, a serial number, a GPIO, a revision) never let anything through: an
    emulated board has none of these.
    """
    found: dict[str, str] = {}
    model = other = True
    for line in map(str.strip, config.splitlines()):
        if section := _FILTER.fullmatch(line):
            name = section[1].lower()
            if name == "all":
                model = other = True
            elif _MODEL.fullmatch(name):  # filters of the same kind replace each other
                model = name in models
            else:
                other = False
        elif model and other and (match := _SETTING.fullmatch(line) or _INITRAMFS.fullmatch(line)):
            found[match[1]] = match[2].strip()
    return found


def kernel(found: Mapping[str, str], usual: str) -> str:
    """Return the kernel's name on the boot partition; `usual` is what the board starts when nothing names one."""
    return found.get("kernel") or usual


def initramfs(found: Mapping[str, str], kernel_name: str) -> tuple[str, ...]:
    """Return the names of what becomes the initramfs, one behind the other; none where there is none.

    With `auto_initramfs` it is the kernel's twin: initramfs8 belongs to kernel8.img.
    """
    if named := found.get("initramfs"):
        return tuple(named.split(","))
    if found.get("auto_initramfs", "0") != "0" and kernel_name.startswith("kernel"):
        return ("initramfs" + kernel_name.removeprefix("kernel").removesuffix(".img"),)
    return ()
