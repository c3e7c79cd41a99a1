"""Receivers that have lost count of the weeks.

GPS counts weeks modulo 1024 (IS-GPS-200, 20.3.3.3.1.1): some 19.6 years. A receiver takes its firmware's age to tell
which round it is; when that has run out, it says a date 1024 weeks too early, with the right time of day.
"""

from __future__ import annotations

import datetime as dt

ROUND = dt.timedelta(weeks=1024)

# No receiver tells the truth that says an earlier day than the one on which this was written.
NOT_BEFORE = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)


def unrolled(time: dt.datetime) -> dt.datetime | None:
    """Return which time it would be with as many rounds of weeks more as it takes; None where it takes none."""
    if time >= NOT_BEFORE:
        return None
    rounds = -((time - NOT_BEFORE) // ROUND)
    return time + rounds * ROUND
