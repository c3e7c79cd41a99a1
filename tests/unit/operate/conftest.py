"""Real sshd's on the loopback, and real connections to them that stay open."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")


class Nodes:
    """Nodes that are sshd's on 127.0.0.x; satisfies targets.base.Connections."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self.folder = folder
        self.port = _free_port()
        self.addresses = {name: f"127.0.0.{number}" for number, name in enumerate(names, 2)}
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.opened: list[tuple[str, ...]] = []  # what each call of open() was asked for
        self._make_keys()

    def socket(self, node: str) -> Path:
        return self.folder / "mux" / self.addresses[node]

    def open(self, nodes: Iterable[str], *, timeout_s: float = 30) -> Mapping[str, str]:
        wanted = tuple(nodes)
        self.opened.append(wanted)
        logs = {node: (self.folder / f"{node}.master.log").open("w+") for node in wanted}
        masters = {
            node: subprocess.Popen(
                [*self.interactive(node), "-oControlMaster=auto", "-Nf"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=logs[node],
            )
            for node in wanted
        }
        reasons = {}
        for node, master in masters.items():
            if master.wait(timeout_s):
                logs[node].seek(0)
                reasons[node] = logs[node].read().strip()
            logs[node].close()
        return reasons

    def interactive(self, node: str) -> list[str]:
        return ["ssh", "-F", str(self.folder / "ssh_config"), node]

    def start(self, node: str, *, more: str = "") -> None:
        """Start a node's sshd and wait until it answers."""
        assert SSHD is not None
        # SHLVL: bash reads ~/.bashrc of whoever runs the tests only where sshd starts it as the first shell. A slow one
        # (pyenv waits a minute for a lock that somebody left) would be measured here, not ours.
        config = self.folder / f"{node}.sshd_config"
        config.write_text(f"""\
ListenAddress {self.addresses[node]}:{self.port}
HostKey {self.folder}/host_key
HostCertificate {self.folder}/host_key-cert.pub
TrustedUserCAKeys {self.folder}/ca.pub
AuthorizedKeysFile none
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
SetEnv SHLVL=1
{more}
""")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        log = self.folder / f"{node}.sshd.log"
        self.daemons[node] = subprocess.Popen([SSHD, "-D", "-f", config, "-E", log])
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex((self.addresses[node], self.port)) == 0:
                    return
            time.sleep(0.01)
        raise AssertionError(log.read_text())

    def kill(self, node: str) -> None:
        """End a node's sshd and all of its connections, as when the node loses power."""
        daemon = self.daemons.pop(node)
        for pid in _descendants(daemon.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        daemon.kill()
        daemon.wait()

    def master_pid(self, node: str) -> int:
        said = subprocess.run([*self.interactive(node), "-O", "check"], capture_output=True, text=True, check=True)
        return int(said.stderr.partition("pid=")[2].partition(")")[0])

    def hang_up(self, node: str) -> None:
        """Close a node's connection in good order."""
        subprocess.run([*self.interactive(node), "-O", "exit"], capture_output=True, check=False)

    def close(self) -> None:
        for node in self.addresses:
            self.hang_up(node)
        for node in list(self.daemons):
            self.kill(node)

    def _make_keys(self) -> None:
        (self.folder / "mux").mkdir(mode=0o700)
        for name in ("ca", "host_key", "user_key"):
            _keygen("-t", "ed25519", "-N", "", "-f", str(self.folder / name))
        hosts = ",".join([*self.addresses, *self.addresses.values()])
        sign = ("-s", str(self.folder / "ca"), "-I", "test")
        _keygen(*sign, "-h", "-n", hosts, str(self.folder / "host_key.pub"))
        _keygen(*sign, "-n", getpass.getuser(), str(self.folder / "user_key.pub"))
        ca = (self.folder / "ca.pub").read_text()
        (self.folder / "known_hosts").write_text(f"@cert-authority * {ca}")
        hosts = "".join(f"Host {node}\n  HostName {address}\n" for node, address in self.addresses.items())
        (self.folder / "ssh_config").write_text(f"""{hosts}
Host *
  Port {self.port}
  User {getpass.getuser()}
  IdentityFile {self.folder}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile {self.folder}/known_hosts
  StrictHostKeyChecking yes
  BatchMode yes
  ControlPath {self.folder}/mux/%h
  ServerAliveInterval 5
  ServerAliveCountMax 2
""")


def _keygen(*words: str) -> None:
    subprocess.run(["ssh-keygen", "-q", *words], check=True, capture_output=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found = []
    todo = [pid]
    while todo:
        todo += (below := children.get(todo.pop(), []))
        found += below
    return found


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Four nodes that the tests leave alive, connections open."""
    if SSHD is None:
        pytest.skip("no sshd on this machine: apt install openssh-server")
    made = Nodes(tmp_path_factory.mktemp("nodes"), ["zero1", "zero2", "zero3", "zero4"])
    try:
        for node in made.addresses:
            made.start(node)
        assert made.open(made.addresses) == {}
        yield made
    finally:
        made.close()


@pytest.fixture
def frail(tmp_path: Path) -> Iterator[Nodes]:
    """Two nodes that a test may kill; up, but no connection is open."""
    if SSHD is None:
        pytest.skip("no sshd on this machine: apt install openssh-server")
    made = Nodes(tmp_path, ["frail1", "frail2"])
    try:
        for node in made.addresses:
            made.start(node)
        yield made
    finally:
        made.close()
