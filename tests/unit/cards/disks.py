"""Small file systems, made by the real programs, for the tests of cards."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PASSWD = "root:x:0:0:root:/root:/bin/bash\nmessagebus:x:998:998:System Message Bus:/:/usr/sbin/nologin\n"  # noqa: S105 (passwd(5), no password)
GROUP = "root:x:0:\nadm:x:4:\ndialout:x:20:\nvideo:x:44:\nmessagebus:x:998:\n"
SHADOW = "root:*:20000:0:99999:7:::\nmessagebus:!*:20000::::::\n"
GSHADOW = "root:*::\nadm:*::\ndialout:*::\nvideo:*::\nmessagebus:!*::\n"

TREE = {
    "etc/passwd": PASSWD,
    "etc/group": GROUP,
    "etc/shadow": SHADOW,
    "etc/gshadow": GSHADOW,
    "etc/fstab": "# UNCONFIGURED FSTAB FOR BASE SYSTEM\n",
    "etc/hostname": "base\n",
    "etc/os-release": "ID=debian\nVERSION_CODENAME=trixie\n",
    "etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\n",
    "usr/bin/true": "#!/bin/sh\n" * 5000,
    "var/lib/dpkg/status": "",
}
BOOT = {
    "config.txt": "arm_64bit=0\ndtoverlay=vc4-kms-v3d\n",
    "cmdline.txt": "console=tty0 console=ttyAMA0,115200 root=/dev/mmcblk0p2 rootwait\n",
    "vmlinuz": "kernel" * 20_000,
    "overlays/README": "overlays\n",
}


def run(*argv: object, text: str | None = None) -> str:
    """Run a program, which must succeed, and return what it printed."""
    done = subprocess.run([str(word) for word in argv], input=text, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make_tree(folder: Path, files: dict[str, str]) -> Path:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        os.utime(target, (1_700_000_000, 1_700_000_000))
    return folder


def make_ext4(image: Path, tree: Path, *options: str, size: str = "64M") -> Path:
    """Make a file system whose bytes depend on `tree` alone."""
    uuid = "e2bb1f8e-6f0b-4c1d-9c0e-5a4f3d2c1b0a"
    fixed = f"hash_seed={uuid},root_owner=0:0"
    run("mkfs.ext4", "-q", "-b", "4096", "-U", uuid, "-L", "root", "-E", fixed, *options, "-d", tree, image, size)
    run("debugfs", "-w", "-R", "sif /etc/shadow gid 42", image)
    run("debugfs", "-w", "-R", "sif /etc/shadow mode 0100640", image)
    return image


def stat(image: Path, path: str, offset: int = 0) -> str:
    """Return debugfs' word on a file."""
    return run("debugfs", "-R", f"stat {path}", f"{image}?offset={offset}")
