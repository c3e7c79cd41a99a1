"""What is on a node's card beyond its base: the node files, and what only a card needs.

A card's own: who it is (machine-id, card.json), where its partitions are (fstab, the kernel's command line), and a
service that lets the root grow to the size of the card at the first boot.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import attrs

from pibramble import __version__
from pibramble.cards import itself, layout, systems
from pibramble.cards.systems import BOOT_FOLDER, System
from pibramble.files import units
from pibramble.files.model import Edit, Entry, Keyring, NodeFile, NodeFiles, Symlink
from pibramble.files.names import CARD_FILE
from pibramble.files.render import render
from pibramble.plan.model import NodePlan, Plan, Role

GROW_SCRIPT = "/usr/lib/pibramble/grow-root"

_BOOT_NUMBER, _ROOT_NUMBER = 1, 2
_FORMAT = 1  # raise it when the same files would be put onto a card in another way


@attrs.frozen
class Content:
    """All that is put onto one card."""

    entries: NodeFiles
    disk_id: int  # 32 bits in the partition table
    digest: str  # two cards with the same digest, over the same base, are the same
    system: System  # of the base

    def in_boot(self, path: str) -> str | None:
        """Return a path as it is inside of the boot partition; None for one in the root."""
        folder = self.system.boot_folder
        return path.removeprefix(folder) if path.startswith(f"{folder}/") else None


def of_card(plan: Plan, keyring: Keyring, node: NodePlan, base_key: str) -> Content:
    """Return what is on the node's card. `base_key` says what it lies over."""
    disk_id = _disk_id(keyring, node)
    system = systems.of_key(base_key)
    rendered = render(plan, keyring, node.name)
    # A head whose Python is too old gets no pibramble that it could not run.
    carried = itself.entries(plan) if node.role is Role.HEAD and system.runs_pibramble else ()
    own = [*_own(node, keyring, disk_id, system), *system.entries(), *carried]
    entries = _placed(_with(rendered, own), system)
    digest = _digest(entries, base_key, node.image)
    return Content(_with(entries, [_card_file(plan, node, base_key, digest)]), disk_id, digest, system)


def _own(node: NodePlan, keyring: Keyring, disk_id: int, system: System) -> Iterator[Entry]:
    boot, root = (layout.partition_uuid(disk_id, number) for number in (_BOOT_NUMBER, _ROOT_NUMBER))
    yield NodeFile("/etc/machine-id", f"{_machine_id(keyring, node)}\n", "who this system is", mode=0o444)
    yield Edit(
        "/etc/fstab",
        "the card's own partitions",
        remove=(r"^#.*UNCONFIGURED.*\n?", rf"^[^#\s]\S*\s+(?:/|/boot|{BOOT_FOLDER})\s.*\n?"),
        add=(
            f"PARTUUID={root} / ext4 defaults,noatime 0 1",
            # Mounted when somebody looks: no boot waits for it, nor fails because a worn card hides it.
            f"PARTUUID={boot} {system.boot_folder} vfat defaults,noatime,nofail,noauto,x-systemd.automount 0 2",
        ),
    )
    # Accounts and caches are made with the card; without these, systemd would make them at the first boot.
    for folder in ("/etc", "/var"):
        stamp = "# By pibramble: as new as /usr.\n"
        yield NodeFile(f"{folder}/.updated", stamp, "the first boot has nothing to catch up on")
    yield Edit(
        f"{BOOT_FOLDER}/cmdline.txt",
        "the kernel finds the root on this card, whatever else is plugged in",
        # raspi-firmware's cma=64M moves what the device tree reserves anyway; QEMU's raspi0 hangs on it.
        remove=(r"(?<!\S)root=\S*[ \t]*", r"(?<!\S)cma=\S*[ \t]*"),
        add=(f"root=PARTUUID={root}", "rootwait"),
        separator=" ",
    )
    yield NodeFile(GROW_SCRIPT, _GROW, "makes the root as large as the card", mode=0o755)
    yield NodeFile("/etc/systemd/system/pibramble-grow.service", _GROW_UNIT, "lets it do so at the first boot")
    yield units.enable("pibramble-grow.service", "the root grows to the card at the first boot", ours=True)


# Partition and file system both grow while they are in use: neither needs a second boot, an initramfs or the network.
_GROW = """\
#!/bin/sh
# Makes the partition of / and its file system as large as the disk allows. Doing it twice changes nothing.
set -eu
partition=$(findmnt --noheadings --output SOURCE /)
at=$(readlink -f "/sys/class/block/${partition#/dev/}")
disk=/dev/$(basename "$(dirname "$at")")
number=$(cat "$at/partition")
echo ', +' | sfdisk --quiet --force --no-reread -N "$number" "$disk"
partx --update --nr "$number" "$disk"
resize2fs "$partition"
mkdir -p /var/lib/pibramble
touch /var/lib/pibramble/grown
"""

_GROW_UNIT = f"""\
[Unit]
Description=Grow the root file system to the size of the card
ConditionPathExists=!/var/lib/pibramble/grown
ConditionPathIsReadWrite=/

[Service]
Type=oneshot
ExecStart={GROW_SCRIPT}

[Install]
WantedBy=multi-user.target
"""


def _card_file(plan: Plan, node: NodePlan, base_key: str, digest: str) -> NodeFile:
    """Return what `pibramble card inspect` knows a card by. No time: the same inputs give the same card."""
    facts = {
        "cluster": plan.name,
        "id": plan.id,
        "node": node.name,
        "board": node.board.name,
        "base": base_key,
        "digest": digest,
        "pibramble": __version__,
    }
    return NodeFile(CARD_FILE, json.dumps(facts, indent=2) + "\n", "whose card this is, and how it was made")


def _with(files: NodeFiles, own: list[Entry]) -> NodeFiles:
    return NodeFiles(
        node=files.node,
        files=(*files.files, *(entry for entry in own if isinstance(entry, NodeFile))),
        links=(*files.links, *(entry for entry in own if isinstance(entry, Symlink))),
        edits=(*files.edits, *(entry for entry in own if isinstance(entry, Edit))),
    )


def _placed(files: NodeFiles, system: System) -> NodeFiles:
    """Return the files where the base's system has them."""
    return NodeFiles(
        node=files.node,
        files=tuple(system.placed(file) for file in files.files),
        links=tuple(system.placed(link) for link in files.links),
        edits=tuple(system.placed(edit) for edit in files.edits),
    )


def _machine_id(keyring: Keyring, node: NodePlan) -> str:
    """Return an id as machine-id(5) has it: the node's own for as long as it has its host key."""
    number = bytearray(_derived("machine-id", keyring, node)[:16])
    number[6] = number[6] & 0x0F | 0x40  # RFC 9562: version 4, as systemd makes them
    number[8] = number[8] & 0x3F | 0x80
    return number.hex()


def _disk_id(keyring: Keyring, node: NodePlan) -> int:
    """Return an id for the partition table, so that two cards in one machine are not taken for each other."""
    return int.from_bytes(_derived("disk", keyring, node)[:4], "big") or 1


def _derived(what: str, keyring: Keyring, node: NodePlan) -> bytes:
    return hashlib.sha256(f"pibramble {what} {keyring.hosts[node.name].public}".encode()).digest()


def _digest(entries: NodeFiles, base_key: str, image: str | None) -> str:
    every: list[Entry] = [*entries.files, *entries.links, *entries.edits]  # edits of one file in their order
    named = [image] if image else []  # another one in the cluster file is another card
    facts = [_FORMAT, base_key, *named, *(attrs.astuple(entry) for entry in every)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
