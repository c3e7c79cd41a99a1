"""How long a serial line may be."""

from __future__ import annotations

# How far RS-232 reaches, in m, up to a rate in baud. Source: TIA-232's 2,500 pF as Texas Instruments' application notes
# tabulate it (50 feet at 19,200; 500 at 9,600; 1,000 at 4,800). Beyond 19,200, so that rate times length stays.
RS232_REACH = ((4_800, 300.0), (9_600, 150.0), (19_200, 15.0))
LOGIC_BAUD_M = 921_600  # baud times metres on loose wires at 3.3 V: a rule of thumb of ours, unverified


def reach_m(baud: int, *, rs232: bool) -> float:
    """Return how long a line may be at a speed, in m."""
    if not rs232:
        return LOGIC_BAUD_M / baud
    for rate, metres in RS232_REACH:
        if baud <= rate:
            return metres
    fastest, metres = RS232_REACH[-1]
    return metres * fastest / baud
