"""What a job has to know of its nodes before it starts: their MPICH, their kind of machine, and what is there already.

One command a node. MPICH and machine are remembered as long as the node's connection is the same one: a board that was
rebooted or taken down has a new one.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from pibramble import paths
from pibramble.errors import MissingError, PibrambleError, UnreachableError
from pibramble.operate.clocks import READ_CLOCK, Reading
from pibramble.operate.elf import HEADER_BYTES, Abi
from pibramble.operate.execute import Stream, execute
from pibramble.operate.mpi import Mpich
from pibramble.operate.nodeset import fold
from pibramble.operate.outcome import Outcome
from pibramble.targets.base import Connections

# /bin/sh is there on every node and made for what the node's libraries are made for, whatever its kernel is.
_FACTS = f"""\
mpichversion 2>/dev/null
printf '\\nabi '; head -c {HEADER_BYTES} /bin/sh | od -An -v -tx1 | tr -d ' \\n'; echo
"""
_REMEMBERED = "facts.json"


@attrs.frozen
class Facts:
    """What is known of one node."""

    mpich: Mpich | None  # None: there is none
    abi: Abi | None
    there: bool = False  # the file or program that was asked for is on the node
    clock: Reading | None = None  # its clock as it was when it answered


def ask(connections: Connections, folder: Path, nodes: Sequence[str], there: str) -> dict[str, Facts]:
    """Ask the nodes; `there` is a shell condition that says whether the program is there already.

    `folder` is the cluster's state folder. Raises UnreachableError that names every node without an answer.
    """
    remembered = recall(connections, folder, nodes)
    condition = f"if {there}; then echo there; fi\n"
    unknown = [node for node in nodes if node not in remembered]
    # One command for all: a node that is known already answers a question more, which costs less than a second round.
    heard_s: dict[str, float] = {}

    def heard(node: str, _stream: Stream, _chunk: bytes) -> None:
        heard_s.setdefault(node, time.time())

    outcomes = execute(connections, nodes, READ_CLOCK + (_FACTS if unknown else "") + condition, on_output=heard)
    _complain_of_unreachable(outcomes)
    facts = {}
    for node in nodes:
        said = outcomes[node].stdout.decode(errors="replace")
        known = _read(said) if unknown else remembered[node]
        clock = Reading.read(said, heard_s.get(node, 0.0), outcomes[node].seconds)
        facts[node] = attrs.evolve(known, there="\nthere\n" in f"\n{said}", clock=clock)
    if unknown:
        remember(connections, folder, facts)
    return facts


def check_alike(facts: Mapping[str, Facts]) -> Mpich:
    """Return the MPICH that all nodes have. Raises MissingError with a table when they have not the same."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for node, fact in facts.items():
        version = fact.mpich.version if fact.mpich else "none"
        kinds.setdefault((version, f"{fact.abi.bits}-bit" if fact.abi else "unknown"), []).append(node)
    mpich = next(iter(facts.values())).mpich
    if len(kinds) == 1 and mpich:
        return mpich
    table = "\n".join(f"MPICH {version:8} {bits:8} {fold(names)}" for (version, bits), names in kinds.items())
    without = [node for node, fact in facts.items() if fact.mpich is None]
    if without:
        cure = "install MPICH there: `pibramble exec -w ... -- sudo apt-get install -y mpich`"
        raise MissingError(f"there is no MPICH on {fold(without)}", hint=f"{table}\n{cure}")
    raise MissingError(
        "the nodes' MPICHs cannot talk to each other: version and word size must be the same on all",
        hint=f"{table}\nleave some out with -x, or bring all to the same system",
    )


def remember(connections: Connections, folder: Path, facts: Mapping[str, Facts]) -> None:
    """Keep the facts for the next job; that this may fail is no reason for a job to fail."""
    kept = _load(folder)
    for node, fact in facts.items():
        identity = _connection(connections, node)
        if identity and fact.mpich and fact.abi:
            kept[node] = {"connection": identity, "mpich": attrs.asdict(fact.mpich), "abi": attrs.asdict(fact.abi)}
    try:
        paths.make_private(folder)
        paths.write_private(folder / _REMEMBERED, json.dumps(kept, indent=1))
    except OSError:
        return


def recall(connections: Connections, folder: Path, nodes: Sequence[str]) -> dict[str, Facts]:
    """Return what is still known of these nodes from an earlier job, without asking them."""
    kept = _load(folder)
    known = {}
    for node in nodes:
        entry = kept.get(node)
        identity = _connection(connections, node)
        if isinstance(entry, dict) and identity and entry.get("connection") == identity:
            try:
                known[node] = Facts(Mpich(**entry["mpich"]), Abi(**entry["abi"]))
            except (KeyError, TypeError):  # written by another version of pibramble
                continue
    return known


def _load(folder: Path) -> dict[str, object]:
    try:
        kept = json.loads((folder / _REMEMBERED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _connection(connections: Connections, node: str) -> str:
    """Return what tells this connection from an earlier one: its socket was made anew."""
    try:
        status = connections.socket(node).lstat()
    except OSError:
        return ""
    return f"{status.st_ino}:{status.st_ctime_ns}"


def _read(said: str) -> Facts:
    header = next((line[4:] for line in said.splitlines() if line.startswith("abi ")), "")
    try:
        abi = Abi.read(bytes.fromhex(header))
    except ValueError:
        abi = None
    return Facts(Mpich.read(said), abi)


def _complain_of_unreachable(outcomes: Mapping[str, Outcome]) -> None:
    silent = [outcome for outcome in outcomes.values() if outcome.exit_code is None]
    if not silent:
        return
    reasons = "\n".join(f"{outcome.node}: {outcome.problem}" for outcome in silent)
    names = fold(outcome.node for outcome in silent)
    raise UnreachableError(
        f"{names} cannot be reached; nothing was started",
        hint=f"{reasons}\n`pibramble up` brings back what has died, -x {shlex.quote(names)} goes on without",
    )


def complain_of_failures(outcomes: Mapping[str, Outcome], doing: str) -> None:
    """Raise PibrambleError that says which nodes failed in `doing`, and why. UnreachableError where that is why."""
    _complain_of_unreachable(outcomes)
    failed = [outcome for outcome in outcomes.values() if outcome.exit_code]
    if failed:
        lines = [f"{o.node}: {_last_line(o.stderr) or f'exit code {o.exit_code}'}" for o in failed]
        names = fold(outcome.node for outcome in failed)
        raise PibrambleError(f"{doing} failed on {names}; nothing was started", hint="\n".join(lines))


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
