"""How fast each board computes beside the PC that a prediction is made on.

SMPI runs the program here and stretches the time that it took: by this PC's speed over the board's. Both must be in one
unit. Measured by `pibramble bench` both are the same loop's intervals a second. Otherwise the board's is what the
catalogue has, GFLOPS in Linpack, and the loop's six operations an interval make the PC's comparable; roughly: Linpack
is tuned for a board, the loop is as a compiler leaves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from pibramble.advise.predict.calibration import Calibration
from pibramble.catalog.model import Board
from pibramble.catalog.parts import Speed
from pibramble.errors import PibrambleError

FLOP_AN_INTERVAL = 6  # bench/speed.c: two additions, two multiplications, a division, and the sum


@attrs.frozen
class Speeds:
    """One core's speed by board, in intervals of bench/speed.c a second."""

    per_core: Mapping[str, float]
    estimated: tuple[str, ...]  # boards of which nothing was measured


def speeds(boards: Iterable[Board], calibration: Calibration, known: Mapping[str, Speed]) -> Speeds:
    """Return the speeds of these boards. Raises PibrambleError that names those of which nothing is known."""
    per_core: dict[str, float] = {}
    estimated, unknown = [], []
    for board in dict.fromkeys(boards):
        if board.name in calibration.speeds:
            per_core[board.name] = calibration.speeds[board.name]
        elif board.name in known:
            per_core[board.name] = known[board.name].gflops * 1e9 / board.cores / FLOP_AN_INTERVAL
            estimated.append(board.name)
        else:
            unknown.append(board.name)
    if unknown:
        raise PibrambleError(
            f"nobody knows how fast a {unknown[0]} computes",
            hint=f"`pibramble bench` measures it, or write [catalog.speeds.{unknown[0]}] with gflops, blas and source",
        )
    return Speeds(per_core, tuple(estimated))
