"""An image to 8 nodes: `swarm image push`, beside `docker save | ssh docker load` node by node.

Both begin with the image on the lab's head. The loop runs there, over the connections that `up` opened. Once no node
has any of the image; once all have its base, and a small layer over it is new. It takes `scripts/setup swarm` and root.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

from common import Lab, Row, alone, alternate

_NODES = 8
_ROUNDS = 3
_BASE_MB = 16
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
    if not (_ENGINE / "dockerd").exists():
        message = "there is no Docker engine: scripts/setup swarm"
        raise RuntimeError(message)
    os.environ["PATH"] = f"{_ENGINE}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(prefix="pibramble-bench-") as folder:
        bench = Lab(Path(folder), _NODES)
        with next(Path(folder).glob("cluster-*.toml")).open("a") as file:
            file.write('\n[containers]\nengine = "docker-swarm"\n')
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
    """Take images away from the workers."""
    words = shlex.join(["sudo", "docker", "image", "rm", "--force", *images])
    bench.pibramble("exec", "--", f"{words} >/dev/null 2>&1; true")


def measure() -> list[Row]:
    """Return the table's rows."""
    rows = []
    with engines() as bench:

        def taking(image: str, *, ours: bool) -> float:
            forget(bench, "bench:1", "bench:2") if image == "bench:1" else forget(bench, "bench:2")
            return bench.pibramble("swarm", "image", "push", image, "--from", "head") if ours else loop(bench, image)

        for image, what in {"bench:1": "nothing of it there", "bench:2": "its base there"}.items():
            taken = alternate(
                {
                    "pibramble swarm image push": lambda image=image: taking(image, ours=True),  # type: ignore[misc]
                    "docker save, ssh docker load": lambda image=image: taking(image, ours=False),  # type: ignore[misc]
                },
                _ROUNDS,
            )
            mine, rival = taken.values()
            rows.append(Row(f"image of {_BASE_MB} MB to {_NODES} nodes, {what}", mine, rival))
    return rows


if __name__ == "__main__":
    alone(measure)
