"""The registry on the head: Debian's docker-registry, which nodes read images from.

What listens on the cluster's address is in the registry's read-only mode. Nothing listens that takes images, but for as
long as a push of ours lasts: then a second one does, on the head's loopback (operate/swarm/registry.py).
https://distribution.github.io/distribution/about/configuration/
Nothing here has been seen on a physical board yet (verify); the lab runs the same program with the same two files.
"""

from __future__ import annotations

from collections.abc import Iterator

from pibramble.files import units
from pibramble.files.model import NodeFile, Symlink
from pibramble.plan.model import Plan

FOLDER = "/var/lib/docker-registry"  # its package makes it, and its owner
READER = "/etc/docker/registry/reader.yml"
WRITER = "/etc/docker/registry/writer.yml"
WRITE_ADDRESS = "127.0.0.1:5001"
UNIT = "docker-registry.service"

# No cache of what is there: another process adds to it and takes away.
_CONFIG = """\
# {what}
version: 0.1
log:
  level: {level}
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: {folder}
  maintenance:
    readonly:
      enabled: {readonly}
http:
  addr: {address}
  headers:
    X-Content-Type-Options: [nosniff]
"""

# The package's own file of settings stays as it is, so that apt never asks about it.
_UNIT = """\
[Unit]
# The cluster's address may come after it: then it tries again.
StartLimitIntervalSec=0

[Service]
ExecStart=
ExecStart=/usr/bin/docker-registry serve {reader}
Restart=always
RestartSec=5
# It reads, and nothing else.
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
NoNewPrivileges=yes
"""


def head(plan: Plan) -> Iterator[NodeFile | Symlink]:
    """Yield what the head needs, where the plan has a registry."""
    if plan.containers is None or not plan.containers.registry:
        return
    said = {"folder": FOLDER}
    # What it logs when all is well wears the card.
    reader = _CONFIG.format(
        **said,
        what="What nodes read images from.",
        level="warn",
        readonly="true",
        address=plan.containers.registry,
    )
    writer = _CONFIG.format(
        **said,
        what="What takes images, while `pibramble swarm image push` lasts.",
        level="info",
        readonly="false",
        address=WRITE_ADDRESS,
    )
    yield NodeFile(READER, reader, "nodes read images from the head")
    yield NodeFile(WRITER, writer, "images come to the head's registry from the head alone")
    drop_in = f"/etc/systemd/system/{UNIT}.d/pibramble.conf"
    yield NodeFile(drop_in, _UNIT.format(reader=READER), "the registry serves the cluster, and cannot be written to")
    yield units.enable(UNIT, "the head keeps images for the nodes")
