"""Rules on the GPS receiver: a serial line of its own, at a speed that receivers and gpsd have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pibramble.spec.expand import max_baud, uart_of
from pibramble.spec.findings import Finding, Severity, listed
from pibramble.spec.model import Auto, GpsSection, Link
from pibramble.spec.rules import links
from pibramble.spec.rules.view import View

# What gpsd 3.22 and 3.25 can set (gpsd_set_speed in gpsd/serial.c); NMEA 0183's own is 4800.
RECEIVER_RATES = (4_800, 9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600)

# A socket's path has 107 bytes (unix(7)), and chronyd makes /run/chrony.clk.NAME.sock.
LONGEST_NAME = 107 - len("/run/chrony.clk..sock")
MOST_LAG_MS = 1_000  # later, and a sentence would be taken for one of the next second

_PULSE = re.compile(r"/dev/pps\d+", re.ASCII)
_FIRST_COME = re.compile(r"/dev/tty(USB|ACM)\d+", re.ASCII)


def receiver(view: View) -> Iterator[Finding]:
    """Check the receiver's section, where there is one."""
    gps = view.cluster.gps
    if gps is None:
        return
    yield from _port(view, gps)
    yield from _speed(view, gps)
    if gps.pps is not None and not _PULSE.fullmatch(gps.pps):
        message = f'"{gps.pps}" is no device of a pulse per second'
        yield Finding("gps-pps", ("gps", "pps"), message, 'as "/dev/pps0"; take the line out where there is none')
    if gps.lag_ms is not None and not 0 <= gps.lag_ms < MOST_LAG_MS:
        message = f"sentences that come {gps.lag_ms:,} ms late tell no second"
        cure = f"0 to {MOST_LAG_MS - 1}; take the line out if it was never measured"
        yield Finding("gps-lag", ("gps", "lag_ms"), message, cure)


def _port(view: View, gps: GpsSection) -> Iterator[Finding]:
    path = ("gps", "port")
    if found := links.device(gps.port, view.head_board, path, "gps_port"):
        yield found
        return
    name = gps.port.rpartition("/")[2]
    if len(name) > LONGEST_NAME:
        message = f"the name of this device has {len(name)} characters: chronyd's socket for it can have {LONGEST_NAME}"
        yield Finding("gps-port", path, message, "its name in /dev/serial/by-path, or a udev rule's SYMLINK")
    elif _FIRST_COME.fullmatch(gps.port):
        message = f'"{gps.port}" is whichever adapter was plugged in first, and gpsd writes to what it finds there'
        cure = "`ls /dev/serial/by-id /dev/serial/by-path` on the head lists names that stay"
        yield Finding("gps-port", path, message, cure, Severity.WARNING)
    ours = uart_of(view.head_board, gps.port) if view.head_board else None
    for worker in view.linked(Link.SERIAL):
        if worker.head_port is None:
            continue
        theirs = uart_of(view.head_board, worker.head_port) if view.head_board else None
        if worker.head_port == gps.port:
            message = f'the port "{gps.port}" is given twice: the link to {worker.name} is on it too'
        elif ours and theirs and ours.pins and ours.pins == theirs.pins:
            pins = " and ".join(map(str, ours.pins))
            message = (
                f'"{gps.port}" comes out of the same pins of the head, {pins}, as "{theirs.device}" of {worker.name}'
            )
        else:
            continue
        cure = "a receiver needs a line of its own; a USB adapter is one"
        yield Finding("duplicate-port", path, message, cure, rests_on=(worker.value_path("head_port"),))
        return


def _speed(view: View, gps: GpsSection) -> Iterator[Finding]:
    if gps.baud is Auto.AUTO:
        return
    path = ("gps", "baud")
    if gps.baud not in RECEIVER_RATES:
        known = listed((f"{rate}" for rate in RECEIVER_RATES), "or")
        yield Finding("gps-baud", path, f"no receiver speaks at {gps.baud:,} baud", f'{known}; or baud = "auto"')
        return
    uart = uart_of(view.head_board, gps.port) if view.head_board else None
    if uart and gps.baud > (limit := max_baud(uart, flow_control=False)):
        message = f"{gps.baud:,} baud is more than the head's {gps.port} can do without flow control: {limit:,}"
        yield Finding("gps-baud", path, message, "a lower speed of the receiver's, or a USB adapter")
