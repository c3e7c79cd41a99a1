"""The lab's GPS receiver. Run as a program of its own, in the head's network; standard library only.

It sends a datagram a round of sentences, each in its second. Not through a pseudo-terminal: gpsd takes such a one for a
test and tells chronyd nothing of its time; from 3.23 on nor does it of a named pipe's (ntpshm_link_activate in its
gpsd/timehint.c). Of datagrams it does, in 3.22 and from 3.25 on.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import math
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from pibramble.gps.framing import sentence
from pibramble.gps.replay_time import Round, replayed, rounds


def main() -> None:
    """Say what time it is, until somebody pulls the plug."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", help="replay this log, its dates moved to now; default: sentences that are made up")
    parser.add_argument("--ahead", type=float, default=0.0, help="seconds that it is ahead of this machine's clock")
    parser.add_argument("--lag", type=float, default=0.5, help="seconds from a moment to what is said of it")
    parser.add_argument("--blind", action="store_true", help="it sees no satellites")
    parser.add_argument("--pid-file", required=True, help="where it writes its process id, when it is at work")
    parser.add_argument("to", metavar="HOST:PORT")
    asked = parser.parse_args()
    log = rounds(Path(asked.log).read_bytes()) if asked.log else (made_up(fix=not asked.blind),)
    if os.fork():
        return
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    Path(asked.pid_file).write_text(f"{os.getpid()}\n", encoding="ascii")
    host, _, port = asked.to.rpartition(":")
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for said in _in_their_time(log, asked.ahead, asked.lag):
        # ECONNREFUSED: nobody listens, as where no plug is in the socket.
        with contextlib.suppress(OSError):
            wire.sendto(said, (host, int(port)))


def made_up(*, fix: bool) -> Round:
    """Return what a receiver says that lies on a table in Munich, seven satellites above it; or none."""
    place = b"4807.0380,N,01131.0000,E"
    if not fix:
        contents = [
            b"GPRMC,000000.00,V,,,,,,,010100,,,N",
            b"GPGGA,000000.00,,,,,0,00,99.99,,,,,,",
            b"GPGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99",
        ]
    else:
        contents = [
            b"GPRMC,000000.00,A,%b,000.0,000.0,010100,,,A" % place,
            b"GPGGA,000000.00,%b,1,07,1.2,545.4,M,46.9,M,," % place,
            b"GPGSA,A,3,04,05,09,12,24,25,29,,,,,,2.1,1.2,1.7",
            b"GPGSV,2,1,07,04,62,303,44,05,31,088,38,09,28,210,36,12,55,145,47",
            b"GPGSV,2,2,07,24,17,045,31,25,44,270,41,29,09,330,28",
        ]
    return Round(1.0, tuple(map(sentence, contents)))


def _in_their_time(log: tuple[Round, ...], ahead_s: float, lag_s: float) -> Iterator[bytes]:
    """Yield what is to be said when it is to be said, from the next whole second on."""
    start = dt.datetime.fromtimestamp(math.floor(time.time() + ahead_s) + 2, dt.UTC)
    for moment, said in replayed(log, start):
        due_s = moment.timestamp() - ahead_s + lag_s
        while (wait_s := due_s - time.time()) > 0:
            time.sleep(wait_s)
        yield said


if __name__ == "__main__":
    main()
