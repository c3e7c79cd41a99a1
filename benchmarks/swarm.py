"""An image to 8 nodes: `swarm image push`, beside `docker save | ssh docker load` node by node, and a registry.

All begin with the image on the lab's head. The loop runs there, over the connections that `up` opened. The registry is
the head's: the image is pushed there, then all nodes pull it at once, as those of a swarm do; by the registry's
address, since for a plain name Docker 20.10 asks first where docker.io is, and waits for that in a lab without the
Internet. Its pull alone is counted, too: an image is pushed once, and pulled whenever a node needs it. Once nobody has
any of the image; once all have its base, and a small layer over it is new. It takes `scripts/setup swarm` and root.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from common import Lab, Measured, Row, alone, alternate

_NODES = 8
_ROUNDS = 3
_BASE_MB = 16
_REGISTRY = "10.77.0.1:5000"  # the head's address in common.cluster_file's subnet
_ENGINE = Path(__file__).parents[1] / ".cache/swarm/bin"
_BUILD = f"""
mkdir -p /tmp/image && cd /tmp/image
head -c {_BASE_MB}M /dev/urandom >base
for tag in 1 2; do
    echo $tag >upper
    printf 'FROM scratch\\nCOPY base /base\\nCOPY upper /upper\\n' >Dockerfile
    sudo docker build --quiet --tag bench:$tag . >/dev/null 2>&1 || exit 1
done
"""


@contextlib.contextmanager
def engines() -> Iterator[Lab]:
    """Bring up a lab with an engine in each node, and the images on its head. Raises RuntimeError without engines."""
    if not all((_ENGINE / name).exists() for name in ("dockerd", "docker-registry")):
        message = "there is no Docker engine: scripts/setup swarm"
        raise RuntimeError(message)
    os.environ["PATH"] = f"{_ENGINE}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(prefix="pibramble-bench-") as folder:
        bench = Lab(Path(folder), _NODES)
        with next(Path(folder).glob("cluster-*.toml")).open("a") as file:
            file.write('\n[containers]\nengine = "docker-swarm"\nregistry = true\n')
        bench.pibramble("up")
        try:
            bench.on_head("sh", "-c", _BUILD)
            yield bench
        finally:
            bench.pibramble("down")


def loop(bench: Lab, image: str) -> float:
    """Bring the image to one node after the other, from the head."""
    script = (
        f"set -e; for number in $(seq {_NODES}); do "
        f"sudo docker save {image} | ssh zero$number sudo docker load >/dev/null; done"
    )
    return bench.on_head("sh", "-c", script)


def forget(bench: Lab, *images: str) -> None:
    """Take images away from the workers, and out of the registry."""
    pulled = [f"{_REGISTRY}/library/{image}" for image in images]
    words = shlex.join(["sudo", "docker", "image", "rm", "--force", *images, *pulled])
    bench.pibramble("exec", "--", f"{words} >/dev/null 2>&1; true")
    for image in images:
        with contextlib.suppress(RuntimeError):  # it is not there
            bench.pibramble("swarm", "image", "remove", image)


def pushed(bench: Lab, image: str) -> float:
    """Bring the image to the workers by its missing layers."""
    return bench.pibramble("swarm", "image", "push", image, "--from", "head", "-w", "@workers")


class Registry:
    """The registry's way, and how long its second half took each time."""

    def __init__(self, bench: Lab) -> None:
        """Begin with no pull."""
        self._bench = bench
        self.pulls: list[float] = []

    def bring(self, image: str) -> float:
        """Push the image to the registry, and let all workers pull it at once; return the time for both."""
        push = self._bench.pibramble("swarm", "image", "push", image, "--from", "head")
        self.pulls.append(self._bench.pibramble("exec", "--", f"sudo docker pull --quiet {_REGISTRY}/library/{image}"))
        return push + self.pulls[-1]


def measure() -> list[Row]:
    """Return the table's rows."""
    rows = []
    with engines() as bench:
        for image, what in {"bench:1": "nothing of it there", "bench:2": "its base there"}.items():
            gone = ("bench:1", "bench:2") if image == "bench:1" else (image,)
            registry = Registry(bench)

            def afresh(way: Callable[[], float], gone: tuple[str, ...] = gone) -> Callable[[], float]:
                def run() -> float:
                    forget(bench, *gone)
                    return way()

                return run

            taken = alternate(
                {
                    "pibramble swarm image push": afresh(partial(pushed, bench, image)),
                    "docker save, ssh docker load": afresh(partial(loop, bench, image)),
                    "registry, push and pull": afresh(partial(registry.bring, image)),
                },
                _ROUNDS,
            )
            mine, *rivals = taken.values()
            rivals.append(Measured("registry, pull alone", tuple(registry.pulls[1:])))  # the first does not count
            title = f"image of {_BASE_MB} MB to {_NODES} nodes, {what}"
            rows += [Row(title, mine, rival) for rival in rivals]
    return rows


if __name__ == "__main__":
    alone(measure)
