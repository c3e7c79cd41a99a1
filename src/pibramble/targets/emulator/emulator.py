"""The emulator as a target: the cards of the plan boot in QEMU, wired as the plan says."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pibramble import locks
from pibramble.cards.store import Store, Worth
from pibramble.errors import NotUpError, PibrambleError, UsageError
from pibramble.files.model import Keyring
from pibramble.plan.digest import digest
from pibramble.plan.model import NodePlan, Plan
from pibramble.progress import Progress
from pibramble.spec.model import Link
from pibramble.targets import sockets
from pibramble.targets.base import NodeState, TargetState, UpReport
from pibramble.targets.emulator import extras, prepare
from pibramble.targets.emulator.boot import Watch
from pibramble.targets.emulator.command import Places, Port, free_port, ports, uplink
from pibramble.targets.emulator.differences import ABOUT_TIMES, NOT_MODELLED
from pibramble.targets.emulator.extras import Backplane
from pibramble.targets.emulator.keeping import end_keeper, start_keeper
from pibramble.targets.emulator.order import Facts, LineOrder, Order, socket_paths
from pibramble.targets.emulator.stages import Stage
from pibramble.targets.emulator.state import EmulatorState, control_socket
from pibramble.targets.through_head import Credentials, ThroughHead, Way

_WAIT_FOR_OTHERS_S = 60.0
_PATIENCE_S = 240.0  # for one board on an idle PC it takes some 60 s
_PATIENCE_A_NODE_S = 120.0  # more, for each that shares the processors
_RETRY_S = 2.0


class Emulator:
    """The emulated boards of one cluster; its state folder says which."""

    name = "emulator"

    def __init__(self, folder: Path) -> None:
        """Name the cluster's state folder."""
        self._state_folder = folder
        self._file = folder / "emulator.json"
        self._folder = folder / "emulator"

    def up(self, plan: Plan, keys: Callable[[], Keyring], progress: Progress, *, connect: bool = True) -> UpReport:
        """Boot every card that is not up, and open the connections; all of it or nothing.

        Raises MissingError without QEMU, UsageError for boards that it cannot be, PibrambleError for cards that are not
        as planned, BootError for one that does not come up.
        """
        with locks.held(self._state_folder / "emulator.lock", "up", patience_s=_WAIT_FOR_OTHERS_S):
            state = self._living()
            if state and state.plan_digest != digest(plan):
                raise PibrambleError(
                    f"the emulated {plan.name} is up, but from another cluster file than the one of now",
                    hint="`pibramble down` ends it, then `pibramble up --target emulator` brings the new one up",
                )
            if state is None:
                remarks = self._build(plan, keys, progress, connect=connect)
            else:
                remarks = self._repair(plan, state, progress, connect=connect)
        return UpReport(remarks=tuple(remarks))

    def down(self, progress: Progress) -> bool:
        """End everything; return whether there was anything."""
        with locks.held(self._state_folder / "emulator.lock", "down", patience_s=_WAIT_FOR_OTHERS_S, interrupt="up"):
            found = EmulatorState.load(self._file) is not None
            with progress.step("Switching the emulated boards off"):
                self._destroy()
            return found

    def state(self) -> TargetState:
        """Say what is up."""
        state = self._living()
        if state is None:
            return TargetState(self.name, up=False)
        facts = state.ask("facts")
        nodes = tuple(_node_state(name, facts) for name in facts.nodes)
        return TargetState(self.name, up=True, nodes=nodes, not_modelled=NOT_MODELLED, about_times=ABOUT_TIMES)

    def connections(self, plan: Plan) -> ThroughHead:
        """Return the way to the nodes. Raises NotUpError."""
        state = self._living()
        if state is None:
            raise NotUpError(f"the emulated {plan.name} is not up", hint="`pibramble up --target emulator` boots it")
        return self._connections(plan, state)

    def consoles(self, plan: Plan) -> Mapping[str, str]:
        """Return the sockets of the emulated boards' consoles."""
        return {node.name: f"unix:{self.places(node.name).console}" for node in plan.nodes}

    def ports(self, plan: Plan) -> list[Port]:
        """Return the head's serial ports that lead out of the emulator. Raises NotUpError."""
        return ports(plan, Path(self.running().sockets))

    def running(self) -> EmulatorState:
        """Return what is up, for what only the emulator can do. Raises NotUpError."""
        state = self._living()
        if state is None:
            raise NotUpError("no emulated cluster is up", hint="`pibramble up --target emulator` boots it")
        return state

    def places(self, node: str) -> Places:
        """Return a node's files and sockets."""
        return Places(self._folder / node, self._sockets(), node)

    # -- up -----------------------------------------------------------------------------------------------------------

    def _build(self, plan: Plan, keys: Callable[[], Keyring], progress: Progress, *, connect: bool) -> list[str]:
        """Boot everything; return what a person should know of it."""
        # What the plan alone rules out comes first: cards take minutes to make, for nothing then.
        nodes = nodes_with_cards(plan)
        prepare.check_wires(plan, nodes)
        prepare.check_programs(nodes)
        store = Store(self._state_folder)
        check_cards(store, plan, keys())
        self._destroy()  # what a crashed run may have left
        try:
            folder = self._sockets()
            sockets.make(folder)
            with (
                socket.create_server(("127.0.0.1", 0)) as cables,
                progress.lines([node.name for node in nodes]) as lines,
            ):
                backplane = Backplane(cables.getsockname()[1], secrets.token_hex(16))
                bench = prepare.Bench(plan, folder, backplane, uplink(plan, free_port(), folder / "world"))
                orders = {}
                checked: set[Path] = set()
                for node in nodes:
                    lines.say(node.name, "putting the card in")
                    with store.image(node.name) as image:
                        if image.base_path not in checked:  # QEMU will read it, not we
                            image.check_base()
                            checked.add(image.base_path)
                        orders[node.name] = bench.prepare(node, image, self._folder / node.name)
                control = str(control_socket(folder))
                usb = tuple(worker.name for worker in extras.usb_workers(plan))
                order = Order(orders, _lines(plan, folder), control, cables.fileno(), backplane.token, usb)
                logs = {node.name: Path(orders[node.name].log) for node in nodes}
                keeper = start_keeper(order, self._folder / "keeper.log")
                state = EmulatorState(keeper, digest(plan), bench.uplink.ssh_port, str(folder))
                state.save(self._file)
                watch = Watch(logs, lines, state.ask)
                self._come_up(plan, [node.name for node in nodes], state, watch, connect=connect)
                return watch.restarted()
        except BaseException:
            self._destroy()
            raise

    def _repair(self, plan: Plan, state: EmulatorState, progress: Progress, *, connect: bool) -> list[str]:
        """Start the machines that have ended, and open what is not open; return what a person should know of it."""
        facts = state.ask("facts")
        dead = [name for name, node in facts.nodes.items() if not node.running]
        with progress.lines(dead) as lines:
            watch = Watch({name: self.places(name).log for name in dead}, lines, state.ask)
            for name in dead:
                state.ask("start", name)
            self._come_up(plan, dead, state, watch, connect=connect)
            return watch.restarted()

    def _come_up(
        self, plan: Plan, booting: Sequence[str], state: EmulatorState, watch: Watch, *, connect: bool
    ) -> None:
        """Wait for the machines that boot, and open the connections of all."""
        deadline = time.monotonic() + _PATIENCE_S + _PATIENCE_A_NODE_S * len(booting)
        watch.wait(lambda: all(watch.reached(name, Stage.SSH) for name in booting), deadline, "its boot")
        if not connect:
            return
        connections = self._connections(plan, state)
        # The head first: everybody's way leads through it.
        for group in [plan.head.name], [worker.name for worker in plan.workers]:
            waiting = list(group)
            while waiting:
                refused = connections.open(waiting)
                for name in set(waiting) - set(refused):
                    if name in booting:
                        watch.ready(name)
                waiting = list(refused)
                watch.look()
                if waiting and time.monotonic() > deadline:
                    name = waiting[0]
                    if name in booting:
                        raise watch.failure(name, f"SSH: {refused[name]}")
                    raise PibrambleError(
                        f"{name} does not answer: {refused[name]}", hint="`pibramble status` says more"
                    )
                if waiting:
                    time.sleep(_RETRY_S)
        if refused := connections.open_from_head([worker.name for worker in plan.workers]):
            lines = [f"{name}: {reason}" for name, reason in refused.items()]
            raise PibrambleError("the head does not reach every worker", hint="\n".join(lines))

    def _connections(self, plan: Plan, state: EmulatorState) -> ThroughHead:
        way = Way("127.0.0.1", state.ssh_port, patience_s=60)
        return ThroughHead(plan, Credentials.of(self._state_folder), way, self._ssh_sockets())

    # -- down ---------------------------------------------------------------------------------------------------------

    def _living(self) -> EmulatorState | None:
        state = EmulatorState.load(self._file)
        return state if state and state.keeper.alive() else None

    def _destroy(self) -> None:
        state = EmulatorState.load(self._file)
        sockets.end_all(self._ssh_sockets())
        if state:
            end_keeper(state.keeper)
        sockets.remove(self._sockets())
        if self._folder.is_dir():
            for folder in self._folder.iterdir():
                prepare.remove(folder)
        self._file.unlink(missing_ok=True)

    def _sockets(self) -> Path:
        return sockets.folder(str(self._folder), self._state_folder.name)

    def _ssh_sockets(self) -> Path:
        return sockets.folder(f"{self._folder}/ssh", self._state_folder.name)


def nodes_with_cards(plan: Plan) -> tuple[NodePlan, ...]:
    """Return all nodes. Raises UsageError when one starts from no card, or hangs on a wire that is not emulated."""
    for node in plan.nodes:
        if not node.board.firmware:
            raise UsageError(
                f"{node.name} is a {node.board.title}, and the emulator boots cards",
                hint="give it a board's name in the cluster file, or use the lab: `pibramble up --target lab`",
            )
        if node.link and node.link.kind is Link.ETHERNET:
            raise UsageError(
                f"{node.name} hangs on the head by Ethernet, which the emulator does not wire",
                hint="USB and serial links it does; the lab has all three: `pibramble up --target lab`",
            )
    return plan.nodes


def check_cards(store: Store, plan: Plan, keyring: Keyring) -> None:
    """Return when every card is as planned. Raises PibrambleError that names those which are not."""
    judged = {node.name: store.judge(node.name, plan, keyring).worth for node in plan.nodes}
    wrong = {name: worth for name, worth in judged.items() if worth is not Worth.CURRENT}
    if wrong:
        lines = [f"{name}: {worth}" for name, worth in wrong.items()]
        raise PibrambleError(
            "not every card is as planned", hint="\n".join([*lines, "`pibramble card build` makes them"])
        )


def _node_state(name: str, facts: Facts) -> NodeState:
    node = facts.nodes[name]
    if not node.running:
        return NodeState(
            name, running=False, detail=f"not running: {node.ended}", hint="`pibramble up` starts it again"
        )
    return NodeState(name, running=True)


def _lines(plan: Plan, folder: Path) -> Mapping[str, LineOrder]:
    serial = [(worker.name, worker.link) for worker in plan.workers if worker.link and worker.link.kind is Link.SERIAL]
    return {
        name: LineOrder(*socket_paths(folder, name), baud=link.baud if plan.emulator.paced else None)
        for name, link in serial
    }
