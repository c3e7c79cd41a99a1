"""Rules on names: of the cluster, the nodes, the account, interfaces and boards."""

from __future__ import annotations

import base64
import binascii
import itertools
import re
import unicodedata
from collections.abc import Iterator

from pibramble.spec.findings import Finding, Severity, did_you_mean, listed
from pibramble.spec.locate import Path
from pibramble.spec.rules.view import View

LONGEST_LABEL = 63  # RFC 1035 section 2.3.4
LONGEST_INTERFACE = 15  # IFNAMSIZ of Linux is 16, with its NUL
LONGEST_USER = 32  # utmp's ut_user, and useradd's limit

# Names that the plan gives to interfaces of the head.
TAKEN_INTERFACES = {"lo": "the kernel's loopback", "bramble": "the bridge that joins the workers"}

# Accounts of Debian's base-passwd and of packages that every node has.
# fmt: off
SYSTEM_USERS = frozenset({
    "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data", "backup",
    "list", "irc", "nobody", "_apt", "sshd", "messagebus", "systemd-network", "systemd-resolve", "systemd-timesync",
    "_chrony",
})
# fmt: on

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.IGNORECASE | re.ASCII)  # RFC 1123 section 2.1
_IDENTITY = re.compile(r"[a-z0-9-]+", re.IGNORECASE | re.ASCII)
_USER = re.compile(r"[a-z_][a-z0-9_-]*", re.ASCII)  # Debian's adduser
_INTERFACE = re.compile(r"[^\s/:%]+")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.IGNORECASE | re.ASCII)


def cluster_names(view: View) -> Iterator[Finding]:
    """Check the cluster's name and id, which become parts of file names and host names."""
    name, identity = view.cluster.cluster.name, view.cluster.cluster.id
    if wrong := label_wrong(name):
        yield Finding("cluster-name", ("cluster", "name"), f"the cluster's name {wrong}", _label_cure(name, "bramble"))
    if identity and (not _IDENTITY.fullmatch(identity) or len(identity) > LONGEST_LABEL):
        message = f'"{identity}" cannot be an id: letters, digits and hyphens, at most {LONGEST_LABEL}'
        yield Finding("cluster-id", ("cluster", "id"), message, 'as "5f0c9a1e"; `pibramble new` makes random ones')


def user_name(view: View) -> Iterator[Finding]:
    """Check that the account is one that useradd makes, and nobody else's."""
    user, path = view.cluster.cluster.user, ("cluster", "user")
    if user in SYSTEM_USERS:
        yield Finding(
            "user-name",
            path,
            f'the account "{user}" belongs to the system',
            'choose a person\'s, as user = "pi"; it may use sudo on every node',
        )
    elif not _USER.fullmatch(user) or len(user) > LONGEST_USER:
        fit = re.sub(r"[^a-z0-9_-]", "", user.lower()).lstrip("0123456789-")[:LONGEST_USER]
        message = f'"{user}" cannot be an account: small letters, digits, - and _, at most {LONGEST_USER}'
        yield Finding("user-name", path, message, f'for example "{fit or "pi"}"')


def node_names(view: View) -> Iterator[Finding]:
    """Check that every node has a host name that all programs take for one."""
    head = view.cluster.head.name
    if wrong := label_wrong(head):
        yield Finding("node-name", ("head", "name"), f'the host name "{head}" {wrong}', _label_cure(head))
    for group in view.groups:
        path = group.path("name")
        if group.names is None:
            message = f'"{group.group.name}" is no range of names: {group.names_wrong}'
            yield Finding("bad-range", path, message, 'as in "zero[1-4]" or "node[01-12,20]"')
            continue
        for name in group.names:
            if wrong := label_wrong(name):
                yield Finding("node-name", path, f'the host name "{name}" {wrong}', _label_cure(name))
                break  # its brothers have the same defect


def duplicate_names(view: View) -> Iterator[Finding]:
    """Check that a name means one node."""
    seen: dict[str, Path] = {view.cluster.head.name.lower(): ("head", "name")}
    told: set[Path] = set()
    for worker in view.workers:
        path, name = worker.of.path("name"), worker.name.lower()
        first = seen.get(name)
        seen.setdefault(name, path)
        if first is None or path in told:
            continue
        told.add(path)
        owner = "the head" if first[0] == "head" else "this range itself" if first == path else "a group above"
        message = f'the name "{worker.name}" is given twice: {owner} has it too'
        yield Finding("duplicate-name", path, message, "give every node a name of its own", rests_on=(first,))


def board_names(view: View) -> Iterator[Finding]:
    """Check that boards are in the catalogue."""
    given: list[tuple[Path, str]] = [(("head", "board"), view.cluster.head.board)]
    given += [(group.path("board"), group.group.board) for group in view.groups]
    for path, name in given:
        if name not in view.boards:
            cure = did_you_mean(name, view.boards, f"the catalogue has {listed(view.boards)}")
            yield Finding("unknown-board", path, f'unknown board "{name}"', cure, rests_on=(("catalog",),))


def overridden_names(view: View) -> Iterator[Finding]:
    """Check that an override is for a worker that there is."""
    known = {worker.name for worker in view.workers}
    unsure = tuple(group.path("name") for group in view.groups if group.names is None)
    for name in view.cluster.nodes:
        path = ("nodes", name)
        if name == view.cluster.head.name:
            message = "[nodes.NAME] is for workers; this is the head"
            yield Finding("unknown-node", path, message, "write its address under [head]", on_key=True)
        elif name not in known and not unsure:
            cure = did_you_mean(name, known, f"there are {_some(sorted(known))}")
            message = f'there is no worker "{name}"'
            yield Finding("unknown-node", path, message, cure, on_key=True, rests_on=(("workers",),))


def interface_names(view: View) -> Iterator[Finding]:
    """Check that the uplink's name is one that Linux takes, and none that pibramble makes."""
    uplink, path = view.cluster.head.uplink, ("head", "uplink")
    if uplink in TAKEN_INTERFACES:
        message = f'the uplink cannot be "{uplink}": that is {TAKEN_INTERFACES[uplink]}'
        yield Finding("interface-name", path, message, '"eth0" is a board\'s Ethernet port, "wlan0" its radio')
    elif wrong := interface_wrong(uplink):
        yield Finding("interface-name", path, f'"{uplink}" {wrong}', '"eth0" is a board\'s Ethernet port')


def time_servers(view: View) -> Iterator[Finding]:
    """Check the servers that the nodes ask for time and names. Boards have no clock of their own."""
    for index, server in enumerate(view.cluster.cluster.ntp):
        if not _HOST.fullmatch(server):
            message = f'"{server}" is neither a host name nor an address'
            yield Finding("ntp", ("cluster", "ntp", index), message, 'for example "pool.ntp.org"')
    if not view.cluster.cluster.ntp and view.cluster.gps is None:
        message = "without time servers the nodes do not know what time it is"
        yield Finding("ntp", ("cluster", "ntp"), message, 'for example ["pool.ntp.org"]', Severity.WARNING)
    if not view.cluster.cluster.nameservers:
        message = "without nameservers the nodes find no name in the world"
        yield Finding("nameservers", ("cluster", "nameservers"), message, 'for example ["9.9.9.9"]', Severity.WARNING)


def authorized_keys(view: View) -> Iterator[Finding]:
    """Check that a key that may log in is a public one, in OpenSSH's own format."""
    for index, key in enumerate(view.cluster.cluster.authorized_keys):
        path = ("cluster", "authorized_keys", index)
        if "PRIVATE KEY" in key:
            message = "this is a private key: it must not leave its owner's machine"
            yield Finding(
                "authorized-key", path, message, "take it out of this file, and put the .pub file's line here"
            )
        elif not is_public_key(key):
            message = "this is no public key of OpenSSH's"
            yield Finding("authorized-key", path, message, 'the line of a .pub file: "ssh-ed25519 AAAA... me@home"')


def is_public_key(line: str) -> bool:
    """Tell whether a line is one of authorized_keys: a type, and a blob that names the same type (RFC 4253 6.6)."""
    words = line.split()
    if "\n" in line.strip() or "\0" in line:
        return False
    for kind, blob in itertools.pairwise(words):
        try:
            data = base64.b64decode(blob, validate=True)
        except (binascii.Error, ValueError):
            continue
        name = kind.encode()
        if data.startswith(len(name).to_bytes(4, "big") + name) and len(data) > len(name) + 4:
            return True
    return False


def label_wrong(name: str) -> str:
    """Return why a name cannot be a host's, or an empty text."""
    defects = (
        (not name, "is empty"),
        (len(name) > LONGEST_LABEL, f"has {len(name)} characters; {LONGEST_LABEL} is the most"),
        ("." in name, "has a dot; nodes have plain names"),
        (
            not _LABEL.fullmatch(name),
            "may hold letters, digits and hyphens, and begins and ends with a letter or digit",
        ),
        (name.isdigit(), "is a number, which programs take for an address"),
        (name != name.lower(), "has capital letters, which ssh makes small before it looks for the host's certificate"),
        (name == "localhost", "is every machine's own"),
    )
    return next((words for wrong, words in defects if wrong), "")


def interface_wrong(name: str) -> str:
    """Return why a name cannot be an interface's, or an empty text."""
    if not _INTERFACE.fullmatch(name) or name in {".", ".."}:
        return "cannot be the name of an interface"
    if len(name.encode()) > LONGEST_INTERFACE:
        return f"is too long for an interface: {LONGEST_INTERFACE} characters are the most"
    return ""


def _label_cure(name: str, otherwise: str = "node1") -> str:
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()  # é becomes e
    fit = re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9-]", "-", plain)).strip("-")[:LONGEST_LABEL].strip("-")
    if fit.isdigit():
        fit = f"node{fit}"
    fitting = otherwise if fit in {"", "localhost"} else fit
    return f'for example "{fitting}"'


def _some(names: list[str]) -> str:
    most = 8
    return listed(names) if len(names) <= most else f"{', '.join(names[:most])} and {len(names) - most} more"
