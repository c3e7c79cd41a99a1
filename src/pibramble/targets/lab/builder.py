"""Makes lab nodes. Run as a program of its own, inside the lab's ground (see ground.py); standard library only.

It reads one JSON document from standard input (`Order`, below) and writes one line of JSON for each node that is
made: `{"node": "zero1", "pid": 4711}`, the process id as the machine outside sees it, or `{"node": ..., "error": ...}`.

A node is a process in its own net, uts, ipc, pid and mount namespaces, on an overlay over the machine's own root file
system: what the machine has installed, the node has, and what the node writes stays in its own memory-backed disk.
The process becomes catatonit, an init that reaps what it inherits, and sshd runs below it.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from typing import Any, TypedDict

from pibramble.targets.lab import network
from pibramble.targets.lab import syscalls as sys_

# What no board's user has a use for in a lab, and what would reach out of it (linux/capability.h).
DROPPED_CAPABILITIES = {
    "sys_module": 16,
    "sys_rawio": 17,
    "sys_admin": 21,
    "sys_boot": 22,
    "sys_time": 25,
    "mknod": 27,
    "mac_override": 32,
    "mac_admin": 33,
    "syslog": 34,
}
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_OWN_FOLDERS = (
    "home",
    "root",
    "tmp",
    "run",
    "var/tmp",
)  # the node's own from the start: nothing of the machine's shows
_SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "opt", "var")
_OPEN_TO_ALL = {"tmp", "var/tmp"}


class FileOrder(TypedDict):
    """A file (or, with content None, a folder) of the node: owner as numbers, since passwd is one of the files."""

    path: str
    content: str | None
    mode: int
    uid: int
    gid: int


class NodeOrder(TypedDict):
    """A node to make."""

    name: str
    files: list[FileOrder]
    binds: list[tuple[str, str, bool]]  # folder on the machine, folder in the node, read-only
    wire: network.Wire | None  # a worker's
    commands: list[list[str]]  # run in the node before sshd
    sshd: list[str]


class Order(TypedDict):
    """All that a builder is told."""

    label: dict[str, str]  # environment of every node's init: how a lab's processes are known
    disk_mb: int
    user_uid: int | None  # rootless: sshd runs as this user in a user namespace of its own
    ground: str  # the ground's network namespace, by path
    head: str | None  # the head's, by path; None: the first node made is the head
    head_network: network.Head
    world: network.End
    world_host: str
    ports: list[network.Port]  # the head's ends of the wires of `nodes`
    nodes: list[NodeOrder]
    parallel: int


def main() -> None:
    """Make the nodes in order: the head first, the workers side by side."""
    order: Order = json.load(sys.stdin)
    os.umask(0o022)
    gc.freeze()  # what is there already stays shared with the children: the collector must not touch it
    todo = list(order["nodes"])
    head = order["head"]
    if head is None:
        pid = _finish(*_begin(order, todo.pop(0), ""))
        if pid is None:
            sys.exit(1)
        head = f"/proc/{pid}/ns/net"
        network.make_world(order["world"], order["world_host"])  # the ground that this program runs on
    running: list[tuple[str, int]] = []
    failed = False
    for node in todo:
        if len(running) >= order["parallel"]:
            failed |= _finish(*running.pop(0)) is None
        running.append(_begin(order, node, head))
    for begun in running:
        failed |= _finish(*begun) is None
    if failed:
        sys.exit(1)
    try:
        _enter_network(head)
        network.plug_in(order["ports"], order["head_network"]["bridge"]["interface"])
    except OSError as error:
        print(json.dumps({"node": "the head's ports", "error": str(error)}))
        sys.exit(1)


def _enter_network(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    sys_.setns(handle, sys_.CLONE_NEWNET)
    os.close(handle)


def _begin(order: Order, node: NodeOrder, head: str) -> tuple[str, int]:
    """Fork a node; return its name and the end of the pipe on which it reports."""
    ours, theirs = os.pipe()
    own_pid_namespace = os.open("/proc/thread-self/ns/pid", os.O_RDONLY)
    sys_.unshare(sys_.CLONE_NEWPID)  # holds for the next child: it becomes process 1 there
    child = os.fork()
    if child == 0:
        os.close(ours)
        _become_node(order, node, head, theirs)
    sys_.setns(own_pid_namespace, sys_.CLONE_NEWPID)  # only from here can the next one be made
    os.close(own_pid_namespace)
    os.close(theirs)
    return node["name"], ours


def _finish(name: str, pipe: int) -> int | None:
    """Wait for a node's report and pass it on; return the node's process id, None when it failed."""
    with os.fdopen(pipe) as stream:
        said = stream.read()
    answer: dict[str, Any] = json.loads(said) if said else {"error": "the node ended before it was made"}
    print(json.dumps({"node": name, **answer}), flush=True)
    pid = answer.get("pid")
    return pid if isinstance(pid, int) else None


def _report(pipe: int, answer: dict[str, object]) -> None:
    os.write(pipe, json.dumps(answer).encode())


def _become_node(order: Order, node: NodeOrder, head: str, pipe: int) -> None:
    """Turn this process, the first of its pid namespace, into the node. Does not return."""
    try:
        sys_.unshare(sys_.CLONE_NEWNET | sys_.CLONE_NEWUTS | sys_.CLONE_NEWIPC | sys_.CLONE_NEWNS)
        pid = int(os.readlink("/proc/self"))  # /proc is still the machine's: this is our id out there
        os.set_inheritable(pipe, False)  # noqa: FBT003 (its only form)
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if node["wire"]:
            network.make_wire(node["wire"], head)
        else:
            network.make_head(order["head_network"], order["ground"])
        root = _make_root(order, node)
        sys_.enter_root(root)
        sys_.sethostname(node["name"])
        if order["user_uid"] is not None:  # sshd will not be root there, and port 22 must still be its
            _set("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
        for command in node["commands"]:
            _run(command)
        if order["user_uid"] is None:
            _give_up_power()
        _detach_stdio()
        environment = {**order["label"], "PIBRAMBLE_NODE": node["name"], "PATH": os.environ["PATH"]}
        if os.fork() == 0:
            if order["user_uid"] is not None:
                _become_user(order["user_uid"])
            os.execve(node["sshd"][0], node["sshd"], environment)  # noqa: S606 (no shell)
        _report(pipe, {"pid": pid})
        os.execvpe("catatonit", ["catatonit", "-P"], environment)  # noqa: S606, S607 (no shell; the machine's own)
    except BaseException as error:  # noqa: BLE001 (a forked child must never return into its parent's code)
        _report(pipe, {"error": str(error)})
    os._exit(1)


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, text=True, capture_output=True, check=False)  # noqa: S603
    if done.returncode != 0:
        message = f"{' '.join(argv)}: {(done.stderr or done.stdout).strip()}"
        raise RuntimeError(message)


def _make_root(order: Order, node: NodeOrder) -> str:
    """Mount the node's file system in this mount namespace and return where."""
    rootless = order["user_uid"] is not None
    disk = "/mnt"  # any folder that exists: only this node sees what is mounted on it
    sys_.mount("none", "/", "", sys_.MS_REC | sys_.MS_PRIVATE)
    sys_.mount("lab", disk, "tmpfs", sys_.MS_NOSUID, f"size={order['disk_mb']}m,mode=755")
    root = f"{disk}/root"
    os.mkdir(root)
    # Files go into the upper layers before these are mounted: writing through an overlay copies folders up first, and
    # without root the machine's own folders could not be written to at all.
    for file in node["files"]:
        _write(_upper_path(disk, file["path"], rootless=rootless), file)
    if rootless:
        _show_system_folders(disk, root)
    else:
        _overlay("/", f"{disk}/over", root)
    for folder in _OWN_FOLDERS:
        own = f"{disk}/own/{folder}"
        os.makedirs(own, exist_ok=True)
        if folder in _OPEN_TO_ALL:
            os.chmod(own, 0o1777)  # noqa: S103 (as /tmp is everywhere)
        os.makedirs(f"{root}/{folder}", exist_ok=True)
        sys_.mount(own, f"{root}/{folder}", "", sys_.MS_BIND)
    sys_.mount("proc", f"{root}/proc", "proc", sys_.MS_NOSUID | sys_.MS_NODEV | sys_.MS_NOEXEC)
    sys_.mount("sysfs", f"{root}/sys", "sysfs", sys_.MS_RDONLY | sys_.MS_NOSUID | sys_.MS_NODEV | sys_.MS_NOEXEC)
    _make_devices(f"{root}/dev")
    for source, target, read_only in node["binds"]:
        os.makedirs(root + target, exist_ok=True)
        sys_.mount(source, root + target, "", sys_.MS_BIND | sys_.MS_REC)
        if read_only:
            sys_.remount_read_only(root + target)
    return root


def _upper_path(disk: str, path: str, *, rootless: bool) -> str:
    """Return where on the node's disk a file must be written to appear at `path` in the node."""
    folder = next((own for own in _OWN_FOLDERS if path == f"/{own}" or path.startswith(f"/{own}/")), None)
    if folder:
        return f"{disk}/own{path}"
    if not rootless:
        return f"{disk}/over/upper{path}"
    top, _, rest = path[1:].partition("/")
    return f"{disk}/over/{top}/upper/{rest}"


def _overlay(lower: str, scratch: str, target: str, options: str = "") -> None:
    for folder in ("upper", "work"):
        os.makedirs(f"{scratch}/{folder}", exist_ok=True)
    data = f"lowerdir={lower},upperdir={scratch}/upper,workdir={scratch}/work{options}"
    sys_.mount("lab", target, "overlay", 0, data)


def _show_system_folders(disk: str, root: str) -> None:
    """Overlay the machine's system folders one by one.

    A user namespace may not overlay `/` itself: that would uncover what lies below the mounts on it, and the kernel
    refuses (clone_private_mount in fs/namespace.c).
    """
    sys_.mount(root, root, "", sys_.MS_BIND)  # only a mount point can become the root
    for name in _SYSTEM_FOLDERS:
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{root}/{name}")
        elif os.path.isdir(f"/{name}"):
            os.mkdir(f"{root}/{name}")
            _overlay(f"/{name}", f"{disk}/over/{name}", f"{root}/{name}", ",userxattr")
    for name in ("proc", "sys", "dev", "mnt"):
        os.mkdir(f"{root}/{name}")


def _make_devices(dev: str) -> None:
    sys_.mount("dev", dev, "tmpfs", sys_.MS_NOSUID, "size=64k,mode=755")
    for name in _DEVICES:
        os.close(os.open(f"{dev}/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        sys_.mount(f"/dev/{name}", f"{dev}/{name}", "", sys_.MS_BIND)
    for name in ("pts", "shm"):
        os.mkdir(f"{dev}/{name}")
    sys_.mount("devpts", f"{dev}/pts", "devpts", sys_.MS_NOSUID | sys_.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    sys_.mount("shm", f"{dev}/shm", "tmpfs", sys_.MS_NOSUID | sys_.MS_NODEV, "mode=1777")
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
    for name, target in links.items():
        os.symlink(target, f"{dev}/{name}")


def _write(path: str, file: FileOrder) -> None:
    if file["content"] is None:
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(path.rpartition("/")[0], exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(file["content"])
    os.chown(path, file["uid"], file["gid"])
    os.chmod(path, file["mode"])


def _give_up_power() -> None:
    """Take from root in the node what would reach the machine: some capabilities, and the kernel's own switches."""
    for path in filter(os.path.exists, ("/proc/sys", "/proc/sysrq-trigger")):
        sys_.mount(path, path, "", sys_.MS_BIND)
        sys_.remount_read_only(path)
    for number in DROPPED_CAPABILITIES.values():
        sys_.drop_capability(number)


def _detach_stdio() -> None:
    null = os.open("/dev/null", os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(null, handle)


def _become_user(uid: int) -> None:
    """Enter a user namespace as an ordinary user: sshd must be one where root is only pretended."""
    sys_.unshare(sys_.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} 0 1"), ("gid_map", f"{uid} 0 1")):
        _set(f"/proc/self/{name}", text)


def _set(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as stream:
        stream.write(text)


if __name__ == "__main__":
    main()
