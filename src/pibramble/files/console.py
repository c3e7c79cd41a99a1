"""The head's consoles: `pibramble serve` as a service, whose account may touch serial devices and little else."""

from __future__ import annotations

from collections.abc import Iterator

from pibramble.files import units
from pibramble.files.model import NodeFile, Symlink
from pibramble.plan.model import Plan

ACCOUNT = "pibramble-console"
FOLDER = f"/var/lib/{ACCOUNT}"  # socket, logs, users and certificates; its group may use the socket
UNIT = "pibramble-serve.service"
PAGES_PORT = 8470
_ALL = "0.0.0.0"  # noqa: S104 (the firewall opens the uplink, and the pages ask who comes)

# systemd.exec(5). What it needs: serial devices and their lock files, its folder, sockets, and `ip` and `openssl` for
# the certificate. Not PrivateUsers: whose a connection at loopback is, it reads by the machine's own numbers.
# capset is among @privileged, but `ip` gives its capabilities up with it, and ends with 1 and no word where it may not.
# 166 and 188 are ttyACM and ttyUSB (Linux' admin-guide/devices.txt): systemd looks for names in /proc/devices when the
# unit starts, and there these two stand only once the first adapter is plugged in.
_UNIT = """\
[Unit]
Description=Serial consoles in shells and browsers
Documentation=man:pibramble
After=network.target
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/pibramble -q serve{listen}
Restart=on-failure
RestartSec=5
User={account}
SupplementaryGroups=dialout
StateDirectory={account}
StateDirectoryMode=0750
Environment=PIBRAMBLE_STATE={folder} PYTHONUNBUFFERED=1
UMask=0077
ReadWritePaths=-/run/lock
DevicePolicy=closed
DeviceAllow=char-tty* rw
DeviceAllow=char-166 rw
DeviceAllow=char-188 rw
CapabilityBoundingSet=
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=capset
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


def head(plan: Plan) -> Iterator[NodeFile | Symlink]:
    """Yield what serves the lines of a plan that has some."""
    accounts = [
        f'u {ACCOUNT} - "pibramble consoles" {FOLDER} /usr/sbin/nologin',
        f"m {ACCOUNT} dialout",
        f"m {plan.user} {ACCOUNT}",
    ]
    listen = f" --listen {_ALL}:{PAGES_PORT}" if plan.web_uplink else ""
    unit = _UNIT.format(listen=listen, account=ACCOUNT, folder=FOLDER)
    why = f"the account of the consoles; {plan.user} may use their socket"
    yield NodeFile(f"/etc/sysusers.d/{ACCOUNT}.conf", "\n".join(accounts) + "\n", why)
    yield NodeFile(f"/etc/systemd/system/{UNIT}", unit, "keeps the serial lines open and shows them")
    yield units.enable(UNIT, "the consoles are served from the start", ours=True)
