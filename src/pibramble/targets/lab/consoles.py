"""The consoles of a lab's nodes: for each a pseudo-terminal that stands for its UART, with a login behind it.

One process keeps them all, `python -m pibramble.targets.lab.consoles FOLDER`. It is started by whoever serves the
console, outlives him, and ends with the lab. As on a real line, what a node says is lost when nobody listens for long.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
import tty
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pibramble import paths, proc
from pibramble.errors import MissingError
from pibramble.plan.model import Plan
from pibramble.targets.lab import ground
from pibramble.targets.lab.state import LabState
from pibramble.targets.processes import Process

LOOK_SECONDS = 0.5  # between two looks at which nodes run
AGAIN_SECONDS = 1.0  # between two log-ins; a node that goes down ends its login first
UNHEARD_SECONDS = 1.0  # so long a full line holds a node up; then what it says is dropped, as a UART does
_READ_BYTES = 16 << 10

_FOLDER = "consoles"  # below the cluster's state folder


def devices(folder: Path, plan: Plan) -> Mapping[str, str]:
    """Return the device of each node's console; it is there while the node runs. `folder`: the cluster's."""
    return {node.name: str(folder / _FOLDER / node.name) for node in plan.nodes}


def ensure(folder: Path, user: str) -> None:
    """Start the keeper if a lab is up and it does not run. Raises MissingError for one who may not enter the nodes."""
    state = LabState.load(folder / "lab.json")
    if state is None or not state.keeper.alive() or _is_kept(folder):
        return
    if not state.rootless and os.getuid() != 0:
        raise MissingError(
            "root brought this lab up, and only root can sit at its nodes' consoles",
            hint="`sudo pibramble serve`; or `pibramble ssh NODE`",
        )
    log = paths.make_private(folder / _FOLDER) / "keeper.log"
    with log.open("wb") as errors:
        proc.start(
            [sys.executable, "-m", "pibramble.targets.lab.consoles", str(folder), user],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )


class Console:
    """One node's console: the line that others open, and a login in the node."""

    def __init__(self, name: str, init: Process, link: Path, argv: Sequence[str]) -> None:
        """Make the line at `link`; `argv` is the login."""
        self._name, self.init, self._link, self._argv = name, init, link, argv
        # Our own opening of the far end keeps the line raw: the kernel resets it when the last one closes.
        self._line, self._far_end = os.openpty()
        tty.setraw(self._far_end)
        os.set_blocking(self._line, False)
        self._login: asyncio.Task[None] | None = None
        scratch = link.with_name(f".{link.name}")
        scratch.unlink(missing_ok=True)
        scratch.symlink_to(os.ttyname(self._far_end))
        scratch.replace(link)
        _give(Path(os.ttyname(self._far_end)))

    def start(self) -> None:
        """Log in, again and again, as a getty is started again."""
        self._login = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """Take the line away."""
        self._link.unlink(missing_ok=True)
        if self._login is not None:
            self._login.cancel()
            with suppress(asyncio.CancelledError):
                await self._login
        os.close(self._line)
        os.close(self._far_end)

    async def _keep(self) -> None:
        while self.init.alive():
            await self._session()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _session(self) -> None:
        loop = asyncio.get_running_loop()
        child = proc.start(
            self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        if child.stdin is None or child.stdout is None:
            raise AssertionError
        typed, said = child.stdin.fileno(), child.stdout.fileno()
        os.set_blocking(typed, False)
        os.set_blocking(said, False)
        loop.add_reader(self._line, self._type, typed)
        try:
            while data := await _read(said):
                await self._show(data)
        finally:
            loop.remove_reader(self._line)
            child.kill()
            child.stdin.close()
            child.stdout.close()
            await asyncio.to_thread(child.wait)

    def _type(self, typed: int) -> None:
        """Pass on what was typed at the line; a login that does not read loses it, as a UART would."""
        with suppress(BlockingIOError):
            data = os.read(self._line, _READ_BYTES)
            with suppress(OSError):
                os.write(typed, data)

    async def _show(self, data: bytes) -> None:
        """Write what the node said; wait for room for a while, then drop it."""
        while data:
            try:
                data = data[os.write(self._line, data) :]
            except BlockingIOError:
                if not await _room(self._line, UNHEARD_SECONDS):
                    return


async def _read(fd: int) -> bytes:
    """Return what comes next; nothing at the end."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(fd, ready.set)
    try:
        await ready.wait()
        return os.read(fd, _READ_BYTES)
    except OSError:
        return b""
    finally:
        loop.remove_reader(fd)


async def _room(fd: int, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(fd, ready.set)
    try:
        await asyncio.wait_for(ready.wait(), seconds)
    except TimeoutError:
        return False
    finally:
        loop.remove_writer(fd)
    return True


async def keep(folder: Path, user: str) -> None:
    """Keep the consoles of all nodes that run, until the lab has gone."""
    consoles: dict[str, Console] = {}
    for stale in (folder / _FOLDER).iterdir():
        if stale.is_symlink():  # of a keeper that was killed: by now it may be anybody's terminal
            stale.unlink()
    try:
        while (state := LabState.load(folder / "lab.json")) is not None and state.keeper.alive():
            for name, console in list(consoles.items()):
                if not console.init.alive():
                    await consoles.pop(name).close()
            for name, init in state.nodes.items():
                if name not in consoles and init.alive():
                    words = ground.inside_node(init, rootless=state.rootless)
                    consoles[name] = Console(name, init, folder / _FOLDER / name, login([*words], user))
                    consoles[name].start()
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        for console in consoles.values():
            await console.close()


def login(inside: Sequence[str], user: str) -> list[str]:
    """Return the command of a login in a node: agetty and login, on a terminal of the node's own that script(1) makes.

    The user has no password (the cluster's nodes know keys only), and whoever can enter the node needs none.
    """
    # exec: script asks a shell (dash, where SHELL is not set), and one that stayed would lead agetty's session.
    getty = f"exec agetty --noclear --8bits --autologin {user} - 115200 vt220"
    return [*inside, "env", "--chdir=/", "script", "--quiet", "--flush", "--return", "--command", getty, "/dev/null"]


def _give(device: Path) -> None:
    """Let the person at the keyboard open a line that root made."""
    device.chmod(0o600)
    paths.give_to_owner(device)


def _lock(folder: Path) -> int | None:
    """Take the keeper's lock; None when another keeper has it."""
    fd = os.open(paths.make_private(folder / _FOLDER) / "keeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def _is_kept(folder: Path) -> bool:
    fd = _lock(folder)
    if fd is None:
        return True
    os.close(fd)
    return False


def main(folder: Path, user: str) -> None:
    """Be the keeper, unless there is one."""
    if _lock(folder) is not None:
        asyncio.run(keep(folder, user))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
