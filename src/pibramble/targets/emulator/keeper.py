"""The process that keeps an emulated cluster: the QEMUs are its children, and every wire passes through it.

A program of its own, which outlives the command that started it. When it goes, however it goes, the kernel ends its
QEMUs too, so that ending it ends everything.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from pibramble.proc import paste
from pibramble.serialise import plain
from pibramble.targets.emulator.order import Facts, LinkFacts, NodeFacts, NodeOrder, Order
from pibramble.targets.emulator.relay import Cables, Line, serve_line
from pibramble.targets.emulator.stages import asked_for_reboot
from pibramble.targets.processes import Process

# The kernel ends QEMU when the thread that started it ends (prctl(2)); it must do so when we are killed, too.
# That is of no use to a child whose parent went before it asked for it: so it looks whether we are still there.
_IF_PARENT_IS = '[ "$PPID" = "$0" ] && exec "$@"'
_ENDED_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", _IF_PARENT_IS)
_ENDS_S = 5.0  # after that it is killed; sooner than who asked for it stops waiting (state.py)
_ENOUGH_OF_A_LOG = 8192


class Machine:
    """One node's QEMU, started again when the board reboots."""

    def __init__(self, name: str, order: NodeOrder) -> None:
        """Keep the order; nothing runs yet."""
        self.name = name
        self._order = order
        self._child: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self.starts = 0
        self.ended = ""

    @property
    def running(self) -> bool:
        """Say whether it runs."""
        return self._watch is not None and not self._watch.done()

    def busy_s(self) -> float:
        """Return how much processor time it has had since it was last started."""
        if self._child and self._child.returncode is None:
            with suppress(ProcessLookupError):
                return Process.of(self._child.pid).busy_s()
        return 0.0

    async def start(self) -> None:
        """Start it, if it does not run."""
        if not self.running:
            await self._spawn()
            self._watch = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Pull its plug."""
        if self._watch:
            self._watch.cancel()
            self._watch = None
        if self._child and self._child.returncode is None:
            # Told to end, QEMU writes down where in its file lies what the board has written; killed, it forgets that,
            # and the disk is damaged as no card would be.
            self._child.terminate()
            try:
                await asyncio.wait_for(self._child.wait(), _ENDS_S)
            except TimeoutError:
                self._child.kill()
                await self._child.wait()
        self.ended = "unplugged"

    async def _spawn(self) -> None:
        self.ended = ""
        self.starts += 1
        print(f"+ {paste(self._order.argv)} &", file=sys.stderr, flush=True)
        with Path(self._order.errors).open("ab") as errors:  # noqa: ASYNC230 (a local file)
            self._child = await asyncio.create_subprocess_exec(
                *(*_ENDED_WITH_US, str(os.getpid()), *self._order.argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )

    async def _keep(self) -> None:
        """Wait for its end, and start it again if that was a reboot; a panic and a power-off are the end."""
        while self._child:
            code = await self._child.wait()
            if code == 0 and asked_for_reboot(_tail(Path(self._order.log))):
                await self._spawn()
                continue
            said = _tail(Path(self._order.errors)).strip().splitlines()
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
            self.ended = f"QEMU {how}" + (f": {said[-1]}" if code > 0 and said else "")
            return


class Keeper:
    """Everything that is kept."""

    def __init__(self, order: Order) -> None:
        """Make the wires and the machines; nothing runs yet."""
        self._order = order
        self._machines = {name: Machine(name, node) for name, node in order.nodes.items()}
        self._lines = {name: Line(line.baud) for name, line in order.lines.items()}
        self._cables = Cables(order.token)

    async def run(self) -> None:
        """Lay the wires, start the machines, then answer until told to end."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, ended.set)
        await loop.create_server(self._cables.end, sock=socket.socket(fileno=self._order.cables_fd))
        for name, line in self._lines.items():
            order = self._order.lines[name]
            await serve_line(line, {"head": Path(order.head_socket), "worker": Path(order.worker_socket)})
        for machine in self._machines.values():
            await machine.start()
        await asyncio.start_unix_server(self._answer, self._order.control)
        print("ready", flush=True)
        # Whoever started us goes on; nobody reads our standard output any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        await ended.wait()
        for machine in self._machines.values():
            await machine.stop()

    def facts(self) -> Facts:
        """Say how everything is."""
        nodes = {
            name: NodeFacts(machine.running, machine.starts, "" if machine.running else machine.ended, machine.busy_s())
            for name, machine in self._machines.items()
        }
        links = {
            name: LinkFacts(
                joined=line.joined,
                to_worker_bytes=line.passed["head"].bytes,
                to_head_bytes=line.passed["worker"].bytes,
                lost_bytes=sum(counted.lost_bytes for counted in line.passed.values()),
                plugged=line.plugged,
            )
            for name, line in self._lines.items()
        }
        links |= {
            name: LinkFacts(
                joined=name in self._cables.connected,
                plugged=self._cables.plugged.get(name, 0),
                vain=self._cables.vain.get(name, 0),
            )
            for name in self._order.cables
        }
        return Facts(nodes, links)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            answer = await self._do(request)
        except (ValueError, KeyError, TypeError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        with suppress(ConnectionError):
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
            writer.close()

    async def _do(self, request: dict[str, str]) -> Any:  # noqa: ANN401 (JSON)
        match request["do"]:
            case "facts":
                pass
            case "start":
                await self._machines[request["node"]].start()
            case "stop":
                await self._machines[request["node"]].stop()
            case "cut":
                self._lines[request["node"]].cut()
            case "join":
                self._lines[request["node"]].join()
            case other:
                message = f"no such request: {other}"
                raise ValueError(message)
        return plain(self.facts())


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _ENOUGH_OF_A_LOG))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def main() -> None:
    """Run the keeper; its order comes on standard input."""
    order = Order.read(sys.stdin.read())
    asyncio.run(Keeper(order).run(), debug=False)


if __name__ == "__main__":
    main()
