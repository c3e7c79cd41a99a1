"""The receiver on the head: gpsd reads it, chronyd gets the time from gpsd.

How gpsd tells chronyd the time depends on gpsd's version (its NEWS, and gpsd/timehint.c): before 3.25 by shared memory
only, from then on by a socket of chronyd's, which nobody else can write to. A node's version is not known before the
node runs, so both ways are there as files, and a script takes one before each start of chronyd.
None of it has been seen with a receiver on a board: unverified.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from pibramble.files import units
from pibramble.files.model import NodeFile, Symlink
from pibramble.plan.model import GpsPlan, Plan

PORT = 2947  # gpsd's own
# For chrony.conf. With a star it is no error when there is none; Debian's AppArmor profile lets chronyd look here.
CHOSEN = "/run/chrony/gps*.conf"
CHOOSER = "/usr/local/lib/pibramble/gps-clock"

# chronyd's socket for what the sentences tell. Not by the name that gpsd looks for: that may have a colon in it, as all
# names in /dev/serial/by-path, and behind a colon chronyd expects options.
CLOCK_SOCKET = "/run/chrony.clk.pibramble.sock"

_WAYS = "/etc/chrony/pibramble-gps"

_CHOOSER = f"""\
#!/bin/sh
# Tells chronyd how this machine's gpsd tells the time: by a socket, or before 3.25 by shared memory.
case $(gpsd -V 2>&1) in
    *"gpsd: 3."[0-9]" "* | *"gpsd: 3.1"* | *"gpsd: 3.2"[0-4]*) way=memory ;;
    *) way=socket ;;
esac
# chronyd wants this folder for itself; with systemd it is there already.
[ -d /run/chrony ] || mkdir -m 0700 /run/chrony
ln -sfn {_WAYS}-$way.conf /run/chrony/gps.conf
# The name by which gpsd looks for the socket.
ln -sfn {CLOCK_SOCKET} """


def head(plan: Plan, gps: GpsPlan) -> Iterator[NodeFile | Symlink]:
    """Yield gpsd's configuration and chronyd's part of it."""
    yield _options(gps)
    # Its rules take whatever has a chip that receivers have, too: a console cable's adapter among them.
    yield Symlink("/etc/udev/rules.d/60-gpsd.rules", "/dev/null", "gpsd touches the receiver's port and no other")
    yield _starter(gps)
    yield _service(gps)
    yield _socket(plan, gps)
    yield units.enable("gpsd.socket", "programs find gpsd", wanted_by="sockets.target")
    why = "how chronyd learns the time from gpsd"
    yield NodeFile(f"{_WAYS}-socket.conf", _refclocks(gps, f"SOCK {CLOCK_SOCKET}", "3.25 or later"), why)
    yield NodeFile(f"{_WAYS}-memory.conf", _refclocks(gps, "SHM 0", "before 3.25"), why)
    chooser = f"{_CHOOSER}{shlex.quote(sought_socket(gps.name))}\n"
    yield NodeFile(CHOOSER, chooser, "finds out which way gpsd tells the time", mode=0o755)
    # +: with all rights, whatever the package's unit takes from chronyd.
    drop_in = f"[Service]\nExecStartPre=+{CHOOSER}\n"
    yield NodeFile(
        "/etc/systemd/system/chrony.service.d/pibramble-gps.conf", drop_in, "chronyd learns how gpsd tells the time"
    )


def sought_socket(name: str) -> str:
    """Return where gpsd looks for chronyd's socket, by the last part of its source's name."""
    return f"/run/chrony.clk.{name}.sock"


def options(gps: GpsPlan) -> list[str]:
    """Return gpsd's options: -n, since chronyd is no client and the time must come with nobody watching."""
    return ["-n", *(["-s", str(gps.baud)] if gps.baud else [])]


def device_unit(device: str) -> str:
    """Return the name of a device's unit, as `systemd-escape --path --suffix=device` does (systemd.unit(5))."""
    escaped = re.sub(r"[^A-Za-z0-9:_./]|^\.", lambda found: f"\\x{ord(found[0]):02x}", device.strip("/"))
    return escaped.replace("/", "-") + ".device"


def _options(gps: GpsPlan) -> NodeFile:
    devices = " ".join([gps.port, *([gps.pps] if gps.pps else [])])
    lines = [f'DEVICES="{devices}"', f'GPSD_OPTIONS="{" ".join(options(gps))}"', 'USBAUTO="false"']
    return NodeFile("/etc/default/gpsd", "\n".join(lines) + "\n", "which receiver gpsd reads, at which speed")


def _starter(gps: GpsPlan) -> NodeFile:
    """Start gpsd with its receiver: a boot does not wait for one that is not plugged in."""
    path = gps.port.removeprefix("/dev/")
    match = f'SYMLINK=="{path}"' if "/" in path else f'KERNEL=="{path}"'
    content = f'SUBSYSTEM=="tty", {match}, TAG+="systemd", ENV{{SYSTEMD_WANTS}}+="gpsd.service"\n'
    return NodeFile("/etc/udev/rules.d/90-pibramble-gps.rules", content, "gpsd starts when its receiver is there")


def _service(gps: GpsPlan) -> NodeFile:
    device = device_unit(gps.port)
    content = f"""\
[Unit]
# chronyd makes the socket that gpsd looks for once, when it opens the receiver; a new chronyd makes a new one.
After=chrony.service
PartOf=chrony.service
# A receiver that comes back gets a new gpsd: one that has given up root cannot open that socket any more.
BindsTo={device}
After={device}

[Service]
Restart=on-failure
RestartSec=2
"""
    why = "gpsd comes after chronyd, and goes with its receiver"
    return NodeFile("/etc/systemd/system/gpsd.service.d/pibramble.conf", content, why)


def _socket(plan: Plan, gps: GpsPlan) -> NodeFile:
    # gpsd takes the first for its control socket, and two more at the most (passivesocks in gpsd/gpsd.c).
    lines = ["ListenStream=", "ListenStream=/run/gpsd.sock", f"ListenStream=127.0.0.1:{PORT}"]
    if gps.share_position:
        # The head's address in the cluster: the world has no way to it. It may come up later than the socket.
        lines += [f"ListenStream={plan.head.address}:{PORT}", "FreeBind=yes"]
    whom = "the cluster" if gps.share_position else "programs on the head"
    content = "\n".join(["[Socket]", *lines]) + "\n"
    return NodeFile("/etc/systemd/system/gpsd.socket.d/pibramble.conf", content, f"gpsd answers {whom}, nobody else")


def _refclocks(gps: GpsPlan, way: str, version: str) -> str:
    """Return chrony's lines for the receiver, and for its pulse where there is one.

    poll 3: the first look at the time after 8 s and not 16, since before it a board has none. Sentences whose lag
    nobody has measured come up to a second late: half a second is taken off, and chronyd told that it may be half a
    second wrong (half of `delay`), so that it believes any better source.
    """
    lag_s, doubt_s = (0.5, 1.0) if gps.lag_ms is None else (gps.lag_ms / 1000, 0.2)
    lines = [f"# gpsd {version}.", f"refclock {way} refid GPS poll 3 offset {lag_s:g} delay {doubt_s:g}"]
    if gps.pps:
        socket = f"/run/chrony.{gps.pps.rpartition('/')[2]}.sock"
        lines.append(f"refclock SOCK {socket} refid PPS poll 3 precision 1e-7 prefer trust")
    return "\n".join(lines) + "\n"
