"""The container engine: dockerd's settings, and what it waits for (https://docs.docker.com/reference/cli/dockerd/).

Nothing here has been seen on a physical board yet (verify); the lab runs dockerd with the same daemon.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pibramble.files import units
from pibramble.files.model import NodeFile, Symlink
from pibramble.plan.model import Plan

SETTINGS = "/etc/docker/daemon.json"
FOLDER = "/var/lib/docker"
NETWORK_PREFIX = 24  # of each network that Docker makes

_OFFLINE = {"DOCKER_SERVICE_PREFER_OFFLINE_IMAGE": "1"}

# The firmware of a Raspberry Pi switches the memory controller off in the kernel's command line; a later word wins.
MEMORY_GROUP = "cgroup_enable=memory"

_UNIT = """\
[Unit]
# Swarm's certificates are dated, and a board starts with yesterday's clock.
After=chrony.service

[Service]
# At most a minute: a cluster without the world's time has the head's. Failing is no reason to have no engine.
ExecStartPre=-/usr/bin/chronyc waitsync 30 1.0 0 2
"""


def engine(plan: Plan) -> Iterator[NodeFile | Symlink]:
    """Yield what a node's engine needs, where the plan has one."""
    if plan.containers is None:
        return
    yield NodeFile(SETTINGS, json.dumps(_settings(plan), indent=2) + "\n", "the container engine's settings")
    settings = "".join(f"Environment={name}={value}\n" for name, value in environment(plan).items())
    path = "/etc/systemd/system/docker.service.d/pibramble.conf"
    yield NodeFile(path, _UNIT + settings, "the engine starts when the clock is right")
    yield units.enable("containerd.service", "the container engine's lower half")
    yield units.enable("docker.service", "the container engine")


def environment(plan: Plan) -> Mapping[str, str]:
    """Return the engine's environment.

    Without a registry, an image that is there is used as it is. By default the engine asks one on the Internet first,
    and a cluster without a way there waits ten seconds for each task (moby,
    daemon/cluster/executor/container/controller.go).
    """
    return {} if plan.containers and plan.containers.registry else _OFFLINE


def kernel_words(plan: Plan) -> tuple[str, ...]:
    """Return what the kernel's command line must say."""
    return (MEMORY_GROUP,) if plan.containers else ()


def _settings(plan: Plan) -> dict[str, object]:
    assert plan.containers is not None  # noqa: S101 (engine asked)
    registry = plan.containers.registry
    # As a mirror it is asked before the Internet for whatever a stack calls by a plain name. It speaks HTTP: this one
    # address is trusted, which only the cluster's own links lead to.
    images = {"registry-mirrors": [f"http://{registry}"], "insecure-registries": [registry]} if registry else {}
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
        **images,
    }
