"""High Performance Linpack on the whole cluster, by Debian's `hpcc`, as large as the memory that is free.

hpcc runs its other tests, too; there is no leaving them out, so this takes its time and is done only when asked for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import attrs

from pibramble.errors import PibrambleError
from pibramble.operate.execute import execute
from pibramble.operate.facts import complain_of_failures
from pibramble.operate.nodeset import fold
from pibramble.targets.base import Connections

BLOCK = 80  # rows and columns that are worked on at once; hpcc's own example has it
_MEMORY_SHARE = 0.6  # of what is free: the other tests need some, and a board that swaps measures its card
_BYTES = 8  # a double

_ASK = """\
hpcc=$(command -v hpcc) || { echo 'hpcc none'; exit 0; }
echo "hpcc $(ldd "$hpcc" 2>/dev/null | grep -o 'libmpi[a-z]*\\.so' | head -n 1)"
awk '/^MemAvailable:/ { print "free_kb", $2 }' /proc/meminfo
"""
# Rank 0 reads the input and writes the report, both in its own folder. `|` stands for a new line: hydra's protocol has
# one command a line.
_RUN = (
    'd=$(mktemp -d) && cd "$d" || exit 1; trap "rm -rf $d" EXIT; '
    '[ "${PMI_RANK:-0}" != 0 ] || printf %s "$0" | tr "|" "\\n" >hpccinf.txt; '
    'hpcc; c=$?; [ "${PMI_RANK:-0}" != 0 ] || cat hpccoutf.txt; exit $c'
)


@attrs.frozen
class Size:
    """One problem: N equations on a grid of P times Q ranks."""

    equations: int
    rows: int
    columns: int


@attrs.frozen
class Ready:
    """What the nodes say before Linpack can run: a reason why not, or how much memory each rank may take."""

    reason: str = ""
    bytes_a_rank: int = 0


def ask(connections: Connections, cores: Mapping[str, int], *, one_machine: bool) -> Ready:
    """Ask the nodes for hpcc and for free memory. `cores`: ranks by node. `one_machine`: they share one memory."""
    outcomes = execute(connections, list(cores), _ASK)
    complain_of_failures(outcomes, "asking for hpcc")
    return judge(
        {node: outcomes[node].stdout.decode(errors="replace") for node in cores}, cores, one_machine=one_machine
    )


def judge(said: Mapping[str, str], cores: Mapping[str, int], *, one_machine: bool) -> Ready:
    """Judge what the nodes said."""
    libraries = {node: _word(words, "hpcc") for node, words in said.items()}
    if without := [node for node, library in libraries.items() if library == "none"]:
        nodes = fold(without)
        return Ready(f"there is no hpcc on {nodes}: `pibramble exec -w {nodes} -- sudo apt-get install -y hpcc`")
    if other := [node for node, library in libraries.items() if library != "libmpich.so"]:
        built = libraries[other[0]] or "unknown"
        return Ready(f"the hpcc on {fold(other)} is built for another MPI ({built}) than jobs run with, which is MPICH")
    sharing = len(cores) if one_machine else 1
    free = (int(_word(said[node], "free_kb") or 0) * 1024 // (ranks * sharing) for node, ranks in cores.items())
    return Ready(bytes_a_rank=min(free))


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


def arguments(problem: Size) -> tuple[str, ...]:
    """Return what `sh` is given on every rank."""
    return ("-c", _RUN, input_file(problem).replace("\n", "|"))


def read(said: str) -> float:
    """Return the GFLOPS of hpcc's report. Raises PibrambleError if Linpack failed or its sums are wrong."""
    tflops = re.search(r"^HPL_Tflops=([\d.e+-]+)$", said, re.MULTILINE)
    passed = re.search(r"^\s+1 tests completed and passed residual checks", said, re.MULTILINE)
    if not tflops or not passed:
        raise PibrambleError("Linpack did not come to a right result", hint="\n".join(said.strip().splitlines()[-5:]))
    return float(tflops[1]) * 1000


def _word(said: str, key: str) -> str:
    match = re.search(rf"^{key} (\S*)$", said, re.MULTILINE)
    return match[1] if match else ""
