"""The few Linux system calls that a lab node is made of and Python 3.11 has no names for.

Why not unshare(1), mount(8) and friends: a node needs some twenty of these calls; as programs they cost more than
everything else about the node together. See mount(2), unshare(2), setns(2), pivot_root(2), capabilities(7).
"""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

PR_CAPBSET_DROP = 24

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def unshare(flags: int) -> None:
    """Leave the named namespaces for new ones. Raises OSError."""
    _check(_libc.unshare(flags), "unshare")


def setns(handle: int, kind: int) -> None:
    """Enter the namespace of an open /proc/PID/ns file. Raises OSError."""
    _check(_libc.setns(handle, kind), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount `source` on `target`. Raises OSError that names both."""
    args = [text.encode() if text else None for text in (source, target, kind)]
    result = _libc.mount(*args, ctypes.c_ulong(flags), data.encode() if data else None)
    _check(result, f"mount {kind or 'bind'} {source} on {target}")


def remount_read_only(target: str) -> None:
    """Make the bind mount at `target` read-only. Raises OSError."""
    # A user namespace may add flags to a mount but not lose any: keep those that are there (mount_namespaces(7)).
    kept = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME)
    mount("none", target, "", MS_BIND | MS_REMOUNT | MS_RDONLY | kept)


def umount(target: str, flags: int = 0) -> None:
    """Unmount `target`. Raises OSError."""
    _check(_libc.umount2(target.encode(), flags), f"umount {target}")


def enter_root(folder: str) -> None:
    """Make `folder` (a mount point) the root of this mount namespace and let go of the old root."""
    os.chdir(folder)
    # The same folder twice: the old root is stacked on top of the new one and can be detached from there, so no
    # place to put it is needed (pivot_root(2), NOTES).
    number = {"x86_64": 155, "aarch64": 41, "armv7l": 218, "armv6l": 218, "i686": 217, "riscv64": 41}[
        os.uname().machine
    ]
    _check(_libc.syscall(number, b".", b"."), "pivot_root")
    umount(".", MNT_DETACH)
    os.chdir("/")


def sethostname(name: str) -> None:
    """Name this UTS namespace. Raises OSError."""
    data = name.encode()
    _check(_libc.sethostname(data, len(data)), f"sethostname {name}")


def drop_capability(number: int) -> None:
    """Take a capability out of the bounding set: neither this process nor a setuid child can have it again."""
    _check(_libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0), f"drop capability {number}")
