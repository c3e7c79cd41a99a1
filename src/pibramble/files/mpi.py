"""MPICH's surroundings: where programs are found, and which hosts `mpiexec` uses when nobody tells it."""

from __future__ import annotations

from pibramble.files.model import NodeFile
from pibramble.plan.model import Plan

# The same folders as a root shell's: a user of a cluster asks for what is in /usr/sbin, too.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

HOSTFILE = "/etc/pibramble/hostfile"


def path_profile() -> NodeFile:
    """Give login shells the PATH that sshd gives to commands; /etc/profile has just set another one."""
    return NodeFile("/etc/profile.d/pibramble.sh", f"export PATH={PATH}\n", "one PATH for shells and for commands")


def hostfile(plan: Plan) -> NodeFile:
    """Return hydra's host file: every worker with its cores."""
    lines = [f"{worker.name}:{worker.board.cores}" for worker in plan.workers]
    return NodeFile(HOSTFILE, "\n".join(lines) + "\n", "the workers and their cores, for mpiexec")


def hydra_profile() -> NodeFile:
    """Let a plain `mpiexec -n 5 ./program` on the head use the workers."""
    lines = [f"export HYDRA_HOST_FILE={HOSTFILE}", "export HYDRA_LAUNCHER=ssh"]
    return NodeFile("/etc/profile.d/pibramble-mpi.sh", "\n".join(lines) + "\n", "mpiexec uses the workers by itself")
