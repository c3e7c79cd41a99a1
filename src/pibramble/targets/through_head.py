"""The way to a cluster from a PC: to the head over its uplink, and through the head's connection to every worker.

OpenSSH does all of it, told by a configuration of its own in the folder of the control sockets: what the person's
~/.ssh/config says does not count, so that a `Host *` there cannot break a cluster. A head behind another machine is
reached through a forwarded port: `ssh -L 2222:HEAD:22 MACHINE`, then localhost:2222.

Whatever address the head is reached at, it must prove itself by the cluster's certificate for the name in the plan.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from pibramble import paths, proc
from pibramble.errors import MissingError, PibrambleError, UsageError
from pibramble.files.ssh import known_authority, trust
from pibramble.operate import mux
from pibramble.operate.execute import execute
from pibramble.plan.model import NodePlan, Plan
from pibramble.targets import opening, reasons, sockets

_CONFIG, _KNOWN = "config", "known_hosts"
_POLL_S = 0.02
_ADDRESS = r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*(?:%\w+)?"  # IPv6: two colons at least
_WAY = re.compile(
    rf"(?P<bare>{_ADDRESS})|(?:\[(?P<bracketed>{_ADDRESS})\]|(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*))(?::(?P<port>[0-9]{{1,5}}))?"
)
_ALIVE_S = 10  # between questions whether the other end is still there
_MARGIN_S = 15  # for what the head tells of a worker's silence, beyond its own patience


@attrs.frozen
class Credentials:
    """What opens a cluster: the user's key and certificate, and the authority that the nodes are known by."""

    user_key: Path
    user_certificate: Path
    ca_public: str

    @classmethod
    def of(cls, folder: Path) -> Credentials:
        """Find them in a cluster's state folder (keys.py). Raises MissingError."""
        keys = folder / "keys"
        found = cls(keys / "user", keys / "user-cert.pub", "")
        try:
            for path in (found.user_key, found.user_certificate):
                path.stat()
            return attrs.evolve(found, ca_public=(keys / "ca.pub").read_text(encoding="ascii"))
        except FileNotFoundError as error:
            raise MissingError(
                f"{error.filename}: there is no such key, and nothing else opens this cluster",
                hint="its cards carry the keys of the machine they were made on: work there, or bring its state folder",
            ) from None


@attrs.frozen
class Way:
    """Where the head is reached, and how long a handshake with a slow board may take."""

    host: str
    port: int = 22
    patience_s: float = 60  # an ARMv6 board takes 1 to 2 s for a handshake, an emulated one 5, several at once longer

    @classmethod
    def read(cls, text: str) -> Way:
        """Read HOST, HOST:PORT, ADDRESS or [ADDRESS]:PORT. Raises UsageError."""
        found = _WAY.fullmatch(text)
        if found is None or not 0 < int(found["port"] or 22) < 65536:  # noqa: PLR2004 (SSH's port, and TCP's last)
            raise UsageError(f"`{text}` is no HOST or HOST:PORT", hint="the user is the cluster's; 192.168.1.20, say")
        return cls(found["bare"] or found["bracketed"] or found["host"], int(found["port"] or 22))

    def __str__(self) -> str:
        """Return it as people write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 22 else f"{host}:{self.port}"  # noqa: PLR2004 (SSH's own port)


class ThroughHead:
    """Opens and finds the connections of a cluster that is reached through its head (targets.base.Connections)."""

    def __init__(self, plan: Plan, credentials: Credentials, way: Way, folder: Path) -> None:
        """Name the way in, and the private folder for the control sockets (sockets.folder)."""
        self._plan = plan
        self._credentials = credentials
        self._way = way
        self._folder = folder

    def socket(self, node: str) -> Path:
        """Return the path of the node's control socket."""
        return self._folder / str(self._plan.node(node).address)

    def open(self, nodes: Iterable[str], *, timeout_s: float | None = None) -> Mapping[str, str]:
        """Open what is not open, the head first; return node -> reason for those that would not.

        `timeout_s`: for the head, and then for all the workers together. Default: the way's patience.
        """
        patience_s = timeout_s or self._way.patience_s
        closed = [node for node in nodes if not mux.alive(self.socket(node))]
        if not closed:
            return {}
        self._write_config()
        head = self._plan.head.name
        if not mux.alive(self.socket(head)):
            refused = self._open([head], patience_s)
            if refused:
                reason = f"{self._way}: {reasons.explain(refused[head])}"
                through = f"the head is not reached, and every way leads through it: {reason}"
                return {node: reason if node == head else through for node in closed}
        refused = self._open([node for node in closed if node != head], patience_s)
        return self._explained(refused, patience_s)

    def open_from_head(self, nodes: Sequence[str], *, timeout_s: float | None = None) -> Mapping[str, str]:
        """Open the head's own connections to nodes, which ssh and hydra share there; node -> reason for failures.

        Ours to the head must be open.
        """
        if not nodes:
            return {}
        words = ["sh", "-c", opening.script(unless_open=True), "sh", *nodes]
        patience_s = timeout_s or self._way.patience_s
        head = self._plan.head.name
        outcome = execute(self, [head], shlex.join(words), timeout_s=patience_s)[head]
        if outcome.exit_code != 0:
            said = outcome.problem or outcome.stderr.decode(errors="replace").strip()
            return dict.fromkeys(nodes, f"the head could not try: {said}")
        said = outcome.stdout.decode(errors="replace")
        return {node: reasons.explain(reason) for node, reason in opening.reasons(said).items()}

    def interactive(self, node: str) -> list[str]:
        """Return the ssh command that shares the node's connection."""
        return [*self._ssh("-o", "ControlMaster=no"), node]

    def close(self) -> bool:
        """End all connections; return whether one was open. The head's own to the workers stay."""
        return sockets.end_all(self._folder)

    def _open(self, nodes: Sequence[str], patience_s: float) -> dict[str, str]:
        """Start a master a node, side by side; return node -> what ssh said for those that would not start."""
        logs = {node: self._folder / f"{node}.log" for node in nodes}
        for log in logs.values():
            log.unlink(missing_ok=True)  # ssh appends
        # ssh -f is over when its master is there, which stays behind; -E keeps what it has to say.
        starting = {
            node: proc.start(
                self._ssh("-fN", "-E", str(log), node),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C at the terminal is for us, not for connections that stay
            )
            for node, log in logs.items()
        }
        refused: dict[str, str] = {}
        deadline = time.monotonic() + patience_s
        try:
            while starting:
                for node, process in list(starting.items()):
                    if process.poll() is not None:
                        del starting[node]
                        if process.returncode:
                            refused[node] = _text(logs[node])
                    elif time.monotonic() > deadline:
                        process.kill()
                        process.wait()
                        del starting[node]
                        refused[node] = f"did not answer in time ({patience_s:g} s)"
                time.sleep(_POLL_S)
        finally:
            for process in starting.values():
                process.kill()
                process.wait()
        return refused

    def _explained(self, refused: Mapping[str, str], patience_s: float) -> dict[str, str]:
        """Return why workers would not open. Why one is silent only the head knows: our ssh hears nothing of it."""
        found = {node: reasons.explain(said) for node, said in refused.items()}
        silent = [node for node, reason in found.items() if reason not in {reasons.STRANGER, reasons.UNKNOWN_KEY}]
        try:
            from_head = self.open_from_head(silent, timeout_s=patience_s + _MARGIN_S)
        except PibrambleError:
            return found
        return {**found, **from_head}

    def _ssh(self, *words: str) -> list[str]:
        return ["ssh", "-F", str(self._folder / _CONFIG), *words]

    def _write_config(self) -> None:
        sockets.ensure(self._folder)
        paths.write_private(self._folder / _KNOWN, known_authority(self._plan, self._credentials.ca_public))
        text = configuration(self._plan, self._credentials, self._way, self._folder)
        paths.write_private(self._folder / _CONFIG, text)


def configuration(plan: Plan, credentials: Credentials, way: Way, folder: Path) -> str:
    """Return the ssh_config(5) by which ssh, scp, sftp and rsync reach every node: `ssh -F FILE zero1`."""
    head, config = plan.head, folder / _CONFIG
    through = shlex.join(["ssh", "-F", str(config), "-o", "ControlMaster=no"]).replace("%", "%%")
    key, certificate = _quoted(credentials.user_key), _quoted(credentials.user_certificate)
    blocks = [
        [*_host(head, way.host, folder), f"Port {way.port}"],
        *([*_host(worker, str(worker.address), folder), f"ProxyCommand {through} -W %h:%p {head.name}"]
          for worker in plan.workers),
        [
            "Host *",
            *trust(plan.user, key, certificate, known_hosts=_quoted(folder / _KNOWN)),
            "GlobalKnownHostsFile none",
            "IdentityAgent none",
            "BatchMode yes",
            "ForwardAgent no",
            "ControlMaster auto",
            "ControlPersist yes",
            f"ConnectTimeout {max(1, round(way.patience_s))}",
            # A head that compiles may be silent for a while, and a slow one that signs and verifies, too.
            f"ServerAliveInterval {_ALIVE_S}",
            f"ServerAliveCountMax {max(3, round(way.patience_s / _ALIVE_S))}",
        ],
    ]  # fmt: skip
    first = f"# By pibramble: the way to {plan.name} through its head at {way}. Written anew by `pibramble up`.\n"
    return first + "".join("\n" + "\n    ".join(block) + "\n" for block in blocks)


def _host(node: NodePlan, host: str, folder: Path) -> list[str]:
    return [
        f"Host {node.name} {node.address}",
        f"HostName {host.replace('%', '%%')}",
        f"HostKeyAlias {node.name}",
        f"ControlPath {_quoted(folder / str(node.address))}",
    ]


def _quoted(path: Path) -> str:
    """Return a path as ssh_config(5) takes it: spaces kept together, and no token of ssh's in it."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'


def _text(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
