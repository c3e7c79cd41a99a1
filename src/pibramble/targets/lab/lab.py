"""The lab as a target: up, down, state, and the repair of what has died in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

import pibramble
from pibramble import locks, paths, proc
from pibramble.errors import Exit, MissingError, NotUpError, PibrambleError
from pibramble.plan.digest import digest
from pibramble.plan.model import NodePlan, Plan
from pibramble.progress import Progress
from pibramble.targets import sockets
from pibramble.targets.base import NodeState, TargetState, UpReport
from pibramble.targets.lab import ground
from pibramble.targets.lab.connect import LabConnections
from pibramble.targets.lab.state import LabState
from pibramble.targets.processes import LABEL, Process, labelled, namespace

# What making nodes takes is imported where they are made: most verbs only pass by here on their way to the connections.
if TYPE_CHECKING:
    from pibramble.files.model import Keyring
    from pibramble.targets.lab.builder import Order
    from pibramble.targets.lab.orders import Ids

NOT_MODELLED = (
    "Latency: every wire answers as fast as this machine's memory; only its rate is shaped.",
    "Board speed: every node computes with this machine's cores, which all nodes share.",
    "The USB bus that the head's ports share, the boot, and the kernel of the boards.",
)
CLOCKS_NOT_SET = "Setting clocks: the nodes share this machine's; chronyd follows its sources and leaves it alone (-x)."
ROOTLESS = "Root inside the nodes: without root here, sudo does not work there."
_USER_UID = 1000  # of the cluster's user when root itself runs the lab
_WAIT_FOR_OTHERS_S = 60.0
_SSHD_PID = "run/sshd.pid"
CHRONYD_PID = "run/chrony/chronyd.pid"


class Lab:
    """The lab of one cluster; its state folder says which."""

    name = "lab"

    def __init__(self, folder: Path) -> None:
        """Name the cluster's state folder."""
        self._folder = folder
        self._file = folder / "lab.json"
        self._label = str(folder)

    def up(self, plan: Plan, keys: Callable[[], Keyring], progress: Progress, *, connect: bool = True) -> UpReport:
        """Bring up what is not up, and open the connections if told to; all of it or nothing.

        Raises MissingError where the machine lacks something, BusyError while another pibramble is at it, and
        PibrambleError when a node could not be made; then what this call had begun is gone again.
        """
        keyring = keys()
        with locks.held(self._folder / "lab.lock", "up", patience_s=_WAIT_FOR_OTHERS_S):
            state = self._living()
            if state and state.plan_digest != digest(plan):
                raise PibrambleError(
                    f"the lab of {plan.name} is up, but from another cluster file than the one of now",
                    hint="`pibramble down` ends it and its jobs, then `pibramble up` brings the new one up",
                    exit_code=Exit.FAILED,
                )
            if state and not self._is_running(state, plan.head.name):
                self._destroy()  # every wire ended in the head: with it the whole lab is gone
                state = None
            if state is None:
                remarks = self._build(plan, keyring, progress, connect=connect)
            else:
                state = self._repair(plan, keyring, state, progress)
                remarks = self._start_clocks(plan, state, progress)
                self._start_engines(plan, state, progress)
                if connect:
                    self._connect(plan, state, progress)
        return UpReport(remarks=(*remarks, *self._remarks(plan)))

    def down(self, progress: Progress) -> bool:
        """End everything; return whether there was anything."""
        with locks.held(self._folder / "lab.lock", "down", patience_s=_WAIT_FOR_OTHERS_S, interrupt="up"):
            found = LabState.load(self._file) is not None or any(labelled(self._label))
            with progress.step("Taking the lab down"):
                self._destroy()
            return found

    def state(self) -> TargetState:
        """Say what is up."""
        state = LabState.load(self._file)
        if state is None or not state.keeper.alive():
            return TargetState(self.name, up=False)
        nodes = tuple(
            NodeState(name, init.alive(), "" if init.alive() else "its first process has died")
            for name, init in state.nodes.items()
        )
        notes = (*NOT_MODELLED, *_without_root(state), *_without_setting(state))
        return TargetState(self.name, up=True, nodes=nodes, not_modelled=notes, one_machine=True)

    def connections(self, plan: Plan) -> LabConnections:
        """Return the way to the nodes. Raises NotUpError."""
        state = LabState.load(self._file)
        if state is None or not state.keeper.alive():
            raise NotUpError(f"the lab of {plan.name} is not up", hint="`pibramble up` brings it up")
        return LabConnections(plan, state)

    def consoles(self, plan: Plan) -> Mapping[str, str]:
        """Return the pseudo-terminals of the nodes' consoles, which `lab.consoles` keeps."""
        from pibramble.targets.lab import consoles

        return consoles.devices(self._folder, plan)

    def needs_root_to_end(self) -> bool:
        """Say whether root brought this lab up and we are somebody else."""
        state = LabState.load(self._file)
        return state is not None and not state.rootless and state.keeper.alive() and os.getuid() != 0

    # -- building ---------------------------------------------------------------------------------------------------

    def _build(self, plan: Plan, keyring: Keyring, progress: Progress, *, connect: bool) -> tuple[str, ...]:
        """Make the whole lab, or leave nothing; return what people should know of it."""
        rootless = os.getuid() != 0
        self._destroy()  # what a crashed run may have left
        try:
            keeper = ground.start_keeper(self._label, rootless=rootless)
            user_uid = paths.owner().pw_uid or _USER_UID
            state = LabState(keeper, rootless, digest(plan), str(self._sockets()), user_uid)
            state.save(self._file)
            sockets.make(Path(state.sockets), state.user_uid)
            with progress.step("Making nodes", len(plan.nodes), "nodes") as step:
                state = self._make_nodes(plan, keyring, state, plan.nodes, step.advance)
            state.save(self._file)
            remarks = self._start_clocks(plan, state, progress)
            self._start_engines(plan, state, progress)
            if connect:
                self._connect(plan, state, progress)
        except BaseException:
            self._destroy()
            raise
        return remarks

    def _repair(self, plan: Plan, keyring: Keyring, state: LabState, progress: Progress) -> LabState:
        """Make the nodes that have died and start the sshd's that have; return what is up then."""
        self._sweep(state)
        missing = tuple(node for node in plan.workers if not self._is_running(state, node.name))
        if missing:
            for node in missing:
                sockets.end(Path(state.sockets) / str(node.address))
            try:
                with progress.step("Making nodes", len(missing), "nodes") as step:
                    state = self._make_nodes(plan, keyring, state, missing, step.advance)
                state.save(self._file)
            except BaseException:
                self._sweep(state)
                raise
        for node in plan.nodes:
            self._restart_sshd(state.nodes[node.name], state)
        return state

    def _start_clocks(self, plan: Plan, state: LabState, progress: Progress) -> tuple[str, ...]:
        """Start what keeps the time, where there is a receiver; return what cannot be."""
        if plan.gps is None:
            return ()
        from pibramble.targets.lab import clocks

        if lacking := clocks.missing():
            names = " and ".join(lacking)
            return (f"the lab's nodes follow no receiver: there is no {names} on this machine's PATH",)
        clocks.Clocks(plan, plan.gps, state, self._label).start(progress)
        return ()

    def _make_nodes(
        self, plan: Plan, keyring: Keyring, state: LabState, nodes: Sequence[NodePlan], made: Callable[[int, str], None]
    ) -> LabState:
        from pibramble.files.render import render_all
        from pibramble.targets.lab import links
        from pibramble.targets.lab.builder import Order
        from pibramble.targets.lab.orders import node_order

        files = render_all(plan, keyring)
        ids = _ids(state)
        head = state.nodes.get(plan.head.name)
        order = Order(
            label={LABEL: self._label},
            disk_mb=plan.lab.disk_mb,
            user_uid=state.user_uid if state.rootless else None,
            ground=f"/proc/{state.keeper.pid}/ns/net",
            head=f"/proc/{head.pid}/ns/net" if head else None,
            head_network=links.head(plan),
            world=links.world(plan),
            world_host=links.WORLD_HOST,
            ports=[links.port(plan, node) for node in plan.workers if node in nodes],
            nodes=[node_order(plan, node, files[node.name], ids, Path(state.sockets)) for node in nodes],
            parallel=2 * (os.cpu_count() or 1),
        )
        inits = dict(state.nodes)
        for name, pid in self._run_builder(order, state):
            inits[name] = Process.of(pid)
            made(1, name)
        state = attrs.evolve(state, nodes=inits)
        _wait_for_sshd([inits[node.name] for node in nodes])
        return state

    def _run_builder(self, order: Order, state: LabState) -> Iterator[tuple[str, int]]:
        """Yield each node as it is made. Raises PibrambleError that names what failed on which."""
        package = str(Path(pibramble.__file__).parent.parent)
        environment = {**os.environ, LABEL: self._label, "PYTHONPATH": package, "PATH": _system_path()}
        # -S: without site-packages Python starts, and forks, at half the cost.
        argv = [*self._inside(state), sys.executable, "-S", "-m", "pibramble.targets.lab.builder"]
        builder = proc.start(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        if builder.stdin is None or builder.stdout is None or builder.stderr is None:
            raise AssertionError
        failed: list[str] = []
        try:
            builder.stdin.write(json.dumps(order).encode())
            builder.stdin.close()
            for line in builder.stdout:
                answer = json.loads(line)
                if "pid" in answer:
                    yield answer["node"], answer["pid"]
                else:
                    failed.append(f"{answer['node']}: {answer['error']}")
            said = builder.stderr.read().decode(errors="replace").strip()
            if builder.wait() != 0 or failed:
                raise PibrambleError("the lab could not be made", hint="\n".join(failed[:5]) or said)
        finally:
            if builder.poll() is None:
                builder.kill()
                builder.wait()
            builder.stdout.close()
            builder.stderr.close()

    def _start_engines(self, plan: Plan, state: LabState, progress: Progress) -> None:
        if plan.containers is None or state.rootless:
            return
        from pibramble.targets.lab import engine, registry

        if engine.programs() is None:
            return
        with progress.step("Starting engines", len(plan.nodes), "nodes"):
            registry.start(plan, state.nodes[plan.head.name], self._label)
            engine.start(plan, state.nodes, self._label)

    @staticmethod
    def _remarks(plan: Plan) -> tuple[str, ...]:
        if plan.containers is None:
            return ()
        from pibramble.targets.lab import engine

        return engine.remark(plan, rootless=os.getuid() != 0)

    def _connect(self, plan: Plan, state: LabState, progress: Progress) -> None:
        connections = LabConnections(plan, state)
        names = [node.name for node in plan.nodes]
        with progress.step("Opening connections", len(names), "nodes"):
            problems = connections.open(names)
        if problems:
            lines = [f"{node}: {reason}" for node, reason in problems.items()]
            raise PibrambleError("not every node answers over SSH", hint="\n".join(lines[:5]))

    def _restart_sshd(self, init: Process, state: LabState) -> None:
        from pibramble.targets.lab.builder import DROPPED_CAPABILITIES
        from pibramble.targets.lab.orders import sshd_program

        if ground.daemon(init, _SSHD_PID) is not None:
            return
        words = ground.inside_node(init, rootless=state.rootless)
        uid = str(state.user_uid)
        # As the builder started the first one: without its dangerous capabilities, or without root as the user.
        less = (
            ["unshare", "--user", f"--map-user={uid}", f"--map-group={uid}"]
            if state.rootless
            else ["setpriv", "--bounding-set", ",".join(f"-{name}" for name in DROPPED_CAPABILITIES)]
        )
        command = [*words, *less, sshd_program(), "-E", "/run/sshd.log"]
        proc.run(command, env={**os.environ, LABEL: self._label})
        _wait_for_sshd([init])

    # -- taking down ------------------------------------------------------------------------------------------------

    def _living(self) -> LabState | None:
        state = LabState.load(self._file)
        return state if state and state.keeper.alive() else None

    def _destroy(self) -> None:
        state = LabState.load(self._file)
        if state:
            try:
                state.keeper.kill()
            except PermissionError:
                raise MissingError(
                    "this lab was brought up by root", hint="`sudo pibramble down` takes it down"
                ) from None
        for pid in labelled(self._label):  # a keeper that was started but not yet written down
            _end(pid)
        _clear_groups(self._label)
        sockets.remove(Path(state.sockets) if state else self._sockets())
        self._file.unlink(missing_ok=True)

    def _sweep(self, state: LabState) -> None:
        """End what an interrupted repair left: labelled, on this lab's ground, but in no node that is known."""
        known = {namespace(init.pid, "pid") for init in state.nodes.values()}
        for pid in labelled(self._label):
            if pid != state.keeper.pid and namespace(pid, "pid") not in known and not _is_outside(pid):
                _end(pid)

    def _inside(self, state: LabState) -> tuple[str, ...]:
        return ground.inside(state.keeper, rootless=state.rootless)

    def _sockets(self) -> Path:
        return sockets.folder(self._label, self._folder.name)

    @staticmethod
    def _is_running(state: LabState, node: str) -> bool:
        init = state.nodes.get(node)
        return init is not None and init.alive()


def _clear_groups(label: str) -> None:
    from pibramble.targets.lab import engine

    engine.clear_groups(label)


def _ids(state: LabState) -> Ids:
    from pibramble.targets.lab.orders import Ids

    uid = state.user_uid
    return Ids(uid, uid, 0, 0) if state.rootless else Ids(uid, uid, uid, uid)


def _without_root(state: LabState) -> tuple[str, ...]:
    return (ROOTLESS,) if state.rootless else ()


def _without_setting(state: LabState) -> tuple[str, ...]:
    head = next(iter(state.nodes.values()), None)  # it was made first
    keeps_time = head is not None and ground.daemon(head, CHRONYD_PID) is not None
    return (CLOCKS_NOT_SET,) if keeps_time else ()


def _system_path() -> str:
    """Return PATH with the folders of system programs, which an ordinary user's often lacks."""
    return os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


def _wait_for_sshd(inits: Sequence[Process], timeout_s: float = 15) -> None:
    """Wait until sshd listens in each node: it writes its pid file right after listen(2)."""
    deadline = time.monotonic() + timeout_s
    for init in inits:
        while ground.daemon(init, _SSHD_PID) is None:
            if time.monotonic() > deadline or not init.alive():
                log = Path(f"/proc/{init.pid}/root/run/sshd.log")
                said = log.read_text(errors="replace") if log.exists() else ""
                raise PibrambleError("sshd does not start in a node", hint="\n".join(said.splitlines()[-5:]))
            time.sleep(0.003)


def _end(pid: int) -> None:
    try:
        Process.of(pid).kill()
    except ProcessLookupError:
        return  # it went by itself


def _is_outside(pid: int) -> bool:
    """Say whether a process shares our own pid namespace: a pibramble command's helper, not a part of the lab."""
    return namespace(pid, "pid") == namespace(os.getpid(), "pid")
