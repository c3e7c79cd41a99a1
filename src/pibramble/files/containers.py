"""The container engine: dockerd's settings, and what it waits for (https://docs.docker.com/reference/cli/dockerd/).

Nothing here has been seen on a physical board yet (verify); the lab runs dockerd with the same daemon.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from pibramble.files import units
from pibramble.files.model import NodeFile, Symlink
from pibramble.plan.model import Plan

SETTINGS = "/etc/docker/daemon.json"
FOLDER = "/var/lib/docker"
NETWORK_PREFIX = 24  # of each network that Docker makes

# An image that is there is used as it is. By default the engine asks a registry on the Internet first, and a cluster
# without one waits ten seconds for each task (moby, daemon/cluster/executor/container/controller.go).
ENVIRONMENT = {"DOCKER_SERVICE_PREFER_OFFLINE_IMAGE": "1"}

# The firmware of a Raspberry Pi switches the memory controller off in the kernel's command line; a later word wins.
MEMORY_GROUP = "cgroup_enable=memory"

_UNIT = """\
[Unit]
# Swarm's certificates are dated, and a board starts with yesterday's clock.
After=chrony.service

[Service]
# At most a minute: a cluster without the world's time has the head's. Failing is no reason to have no engine.
ExecStartPre=-/usr/bin/chronyc waitsync 30 1.0 0 2
{environment}
"""


def engine(plan: Plan) -> Iterator[NodeFile | Symlink]:
    """Yield what a node's engine needs, where the plan has one."""
    if plan.containers is None:
        return
    yield NodeFile(SETTINGS, json.dumps(_settings(plan), indent=2) + "\n", "the container engine's settings")
    environment = "\n".join(f"Environment={name}={value}" for name, value in ENVIRONMENT.items())
    unit = _UNIT.format(environment=environment)
    path = "/etc/systemd/system/docker.service.d/pibramble.conf"
    yield NodeFile(path, unit, "the engine starts when the clock is right, and takes images that are there")
    yield units.enable("containerd.service", "the container engine's lower half")
    yield units.enable("docker.service", "the container engine")


def kernel_words(plan: Plan) -> tuple[str, ...]:
    """Return what the kernel's command line must say."""
    return (MEMORY_GROUP,) if plan.containers else ()


def _settings(plan: Plan) -> dict[str, object]:
    assert plan.containers is not None  # noqa: S101 (engine asked)
    return {
        "data-root": FOLDER,
        "storage-driver": "overlay2",
        # A card is small and wears: two files of a megabyte a container, compressed.
        "log-driver": "local",
        "log-opts": {"max-size": "1m", "max-file": "2"},
        # Swarm does not work with it (`--live-restore daemon configuration is incompatible with swarm mode`).
        "live-restore": False,
        "default-address-pools": [{"base": str(plan.containers.bridges), "size": NETWORK_PREFIX}],
        # Else a process for each published port; the kernel forwards without.
        "userland-proxy": False,
        "max-concurrent-downloads": 1,
    }
