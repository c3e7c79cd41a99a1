"""High Performance Linpack on the whole cluster, as large as the memory that is free.

The program is `hpcc-hpl`, which scripts/build-hpcc makes of the source of Debian's hpcc: on the nodes, or on this
machine, from where it is sent to them. Where there is none Debian's own `hpcc` does, if it is for MPICH; it runs its
other tests, too, and there is no leaving them out. So Linpack is run only when it is asked for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from pibramble import paths
from pibramble.errors import PibrambleError
from pibramble.operate.bench_runs import Linpack
from pibramble.operate.elf import HEADER_BYTES, Abi
from pibramble.operate.execute import execute
from pibramble.operate.facts import complain_of_failures
from pibramble.operate.nodeset import fold
from pibramble.targets.base import Connections

BLOCK = 80  # rows and columns that are worked on at once; hpcc's own example has it
_MEMORY_SHARE = 0.6  # of what is free: the other tests need some, and a board that swaps measures its card
_BYTES = 8  # a double
OURS, DEBIANS = "hpcc-hpl", "hpcc"
_SHELL = "sh"
# Debian's libmpich, and MPICH's own name for it: the MPICH ABI's version is 12, Open MPI's 40.
_MPICH = re.compile(r"libmpich\.so|libmpi\.so\.12")

_ASK = f"""\
for name in {OURS} {DEBIANS}; do
    program=$(command -v $name) || continue
    library=$(ldd "$program" 2>/dev/null | grep -o 'libmpi[a-z]*\\.so[.0-9]*' | head -n 1)
    echo "$name ${{library:-unknown}}"
done
printf 'abi '; head -c {HEADER_BYTES} /bin/sh | od -An -v -tx1 | tr -d ' \\n'; echo
awk '/^MemAvailable:/ {{ print "free_kb", $2 }}' /proc/meminfo
"""
# Rank 0 reads the input and writes the report, both in its own folder. `|` stands for a new line: hydra's protocol has
# one command a line.
_RUN = (
    'd=$(mktemp -d) && cd "$d" || exit 1; trap "rm -rf $d" EXIT; '
    '[ "${PMI_RANK:-0}" != 0 ] || printf %s "$0" | tr "|" "\n" >hpccinf.txt; '
    'hpcc; c=$?; [ "${PMI_RANK:-0}" != 0 ] || cat hpccoutf.txt; exit $c'
)


@attrs.frozen
class Size:
    """One problem: N equations on a grid of P times Q ranks."""

    equations: int
    rows: int
    columns: int


@attrs.frozen
class Share:
    """What of a node takes part."""

    ranks: int
    memory_bytes: int  # that its board has; in a lab more than that may be free


@attrs.frozen
class Ready:
    """What the nodes say before Linpack can run: a reason why not, or the program and each rank's share of memory."""

    reason: str = ""
    bytes_a_rank: int = 0
    program: str = ""  # a file to bring to the nodes, or the name of what they have

    @property
    def runs_all(self) -> bool:
        """Say whether it is Debian's hpcc, which a shell has to find its input for, and which runs all of its tests."""
        return self.program == _SHELL

    def arguments(self, problem: Size) -> tuple[str, ...]:
        """Return what the program is given, on every rank."""
        text = input_file(problem).replace("\n", "|")
        return ("-c", _RUN, text) if self.runs_all else (text,)


def ask(connections: Connections, shares: Mapping[str, Share], *, one_machine: bool) -> Ready:
    """Ask the nodes for the program and for free memory. `one_machine`: they share one memory."""
    outcomes = execute(connections, list(shares), _ASK)
    complain_of_failures(outcomes, "asking for hpcc")
    said = {node: outcomes[node].stdout.decode(errors="replace") for node in shares}
    return judge(said, shares, built_here(), one_machine=one_machine)


def built_here() -> Mapping[Abi, Path]:
    """Return what scripts/build-hpcc has made on this machine, the newest for each kind of node."""
    found = sorted((paths.cache_folder() / "hpcc").glob(f"*/{OURS}"), key=lambda file: file.stat().st_mtime)
    by_kind = ((Abi.read(file.read_bytes()[:HEADER_BYTES]), file) for file in found)
    return {abi: file for abi, file in by_kind if abi}


def judge(
    said: Mapping[str, str], shares: Mapping[str, Share], built: Mapping[Abi, Path], *, one_machine: bool
) -> Ready:
    """Judge what the nodes said. `built`: what could be brought to nodes of each kind."""
    program, reason = _program(said, built)
    if reason:
        return Ready(reason)
    sharing = len(shares) if one_machine else 1
    rooms = (
        min(int(_word(said[node], "free_kb") or 0) * 1024 // sharing, share.memory_bytes) // share.ranks
        for node, share in shares.items()
    )
    return Ready(bytes_a_rank=min(rooms), program=program)


def _program(said: Mapping[str, str], built: Mapping[Abi, Path]) -> tuple[str, str]:
    """Return the program that all nodes can run, or "" and why there is none."""
    if all(_is_for_mpich(words, OURS) for words in said.values()):
        return OURS, ""
    kinds = {abi for words in said.values() if (abi := _abi(words))}
    fitting = [file for made, file in built.items() if kinds and all(made.runs_on(kind) for kind in kinds)]
    if fitting:
        return str(fitting[-1]), ""
    others = {node: _word(words, DEBIANS) for node, words in said.items() if not _is_for_mpich(words, DEBIANS)}
    if not others:
        return _SHELL, ""
    cure = f"`scripts/build-hpcc`, in a checkout of pibramble on a machine of their kind, makes an {OURS} for MPICH"
    if kinds and all(kind.machine == "ARM" and kind.bits == 32 for kind in kinds):  # noqa: PLR2004 (Debian's hpcc is for MPICH there)
        cure = f"`pibramble exec -w {fold(others)} -- sudo apt-get install -y hpcc`"
    if without := [node for node, library in others.items() if not library]:
        return "", f"there is no hpcc on {fold(without)}: {cure}"
    library = next(iter(others.values()))
    return "", f"the hpcc on {fold(others)} is built for another MPI ({library}) than jobs run with: {cure}"


def _is_for_mpich(said: str, program: str) -> bool:
    return _MPICH.match(_word(said, program)) is not None


def _abi(said: str) -> Abi | None:
    try:
        return Abi.read(bytes.fromhex(_word(said, "abi")))
    except ValueError:
        return None


def size(ranks: int, bytes_a_rank: int) -> Size:
    """Return the largest problem that the ranks' memory holds, in whole blocks.

    Raises PibrambleError where there is not even room for one.
    """
    equations = math.isqrt(int(_MEMORY_SHARE * bytes_a_rank * ranks) // _BYTES) // BLOCK * BLOCK
    if equations == 0:
        raise PibrambleError(f"there is no memory for Linpack: {bytes_a_rank} bytes a rank")
    rows = next(rows for rows in range(math.isqrt(ranks), 0, -1) if ranks % rows == 0)
    return Size(equations, rows, ranks // rows)


def input_file(problem: Size) -> str:
    """Return hpccinf.txt: hpcc's own example with our size."""
    values: Sequence[object] = (
        "HPLinpack benchmark input file",
        "written by pibramble",
        "HPL.out output file name",
        "8 device out",
        *(1, f"{problem.equations} N", 1, f"{BLOCK} NB", "0 row-major"),
        *(1, f"{problem.rows} P", f"{problem.columns} Q", "16.0 threshold"),
        *(1, "2 panel factorisation: right", 1, "4 NBMIN", 1, "2 NDIV", 1, "1 recursive: Crout"),
        *(1, "1 broadcast: 1rM", 1, "1 lookahead", "2 swap: mix", "64 swapping threshold"),
        *("0 L1 transposed", "0 U transposed", "1 equilibration", "8 memory alignment"),
        "##### a line that separates",
        *("0 more sizes for PTRANS", "1200", "0 more blocks for PTRANS", "40"),
    )
    return "".join(f"{value}\n" for value in values)


def read(said: str) -> Linpack:
    """Return what hpcc's report says. Raises PibrambleError if Linpack failed or its sums are wrong."""
    values = dict(re.findall(r"^HPL_(\w+)=([-+.\w]+)$", said, re.MULTILINE))
    passed = re.search(r"^\s+1 tests completed and passed residual checks", said, re.MULTILINE)
    residual = re.search(r"^\|\|Ax-b\|\|_oo/\(.*\)=\s*([\d.e+-]+) \.+ PASSED", said, re.MULTILINE)
    try:
        if passed and residual:
            return Linpack(
                gflops=float(values["Tflops"]) * 1000,
                equations=int(values["N"]),
                block=int(values["NB"]),
                rows=int(values["nprow"]),
                columns=int(values["npcol"]),
                seconds=float(values["time"]),
                residual=float(residual[1]),
            )
    except (KeyError, ValueError):
        pass
    raise PibrambleError("Linpack did not come to a right result", hint="\n".join(said.strip().splitlines()[-5:]))


def _word(said: str, key: str) -> str:
    match = re.search(rf"^{key} (\S*)$", said, re.MULTILINE)
    return match[1] if match else ""
