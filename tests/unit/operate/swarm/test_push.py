"""Which images run where, and what is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibramble.errors import MissingError, PibrambleError, UsageError
from pibramble.operate.swarm import archive, push
from pibramble.operate.swarm.archive import Image, Platform
from pibramble.operate.swarm.engine import Engine
from tests.unit.operate.swarm import images


@pytest.mark.parametrize(
    ("machine", "platform", "does"),
    [
        ("armv6l", "arm/v6", True),
        ("armv6l", "arm/v5", True),
        ("armv6l", "arm", True),
        ("armv6l", "arm/v7", False),
        ("armv6l", "amd64", False),
        ("armv6l", "arm64/v8", False),
        ("armv7l", "arm/v6", True),
        ("armv7l", "arm/v7", True),
        ("armv7l", "arm64", False),
        ("aarch64", "arm64/v8", True),
        ("aarch64", "arm/v7", True),
        ("aarch64", "amd64", False),
        ("x86_64", "amd64", True),
        ("x86_64", "arm/v6", False),
        ("riscv64", "riscv64", False),
    ],
)
def test_a_machine_runs_what_was_made_for_it(machine: str, platform: str, *, does: bool) -> None:
    architecture, _, variant = platform.partition("/")
    assert push.runs(machine, Platform("linux", architecture, variant)) is does


def test_windows_runs_nowhere() -> None:
    assert not push.runs("x86_64", Platform("windows", "amd64"))


def zero(node: str, **facts: object) -> Engine:
    known = {"installed": True, "version": "26.1.5", "machine": "armv6l", "system": "linux", "disk_free_mb": 900}
    return Engine(node, reachable=True, **{**known, **facts})  # type: ignore[arg-type]  # some of its own fields


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return archive.read(images.save(tmp_path / "a.tar", "web:1", [{"web": b"1"}]))


def test_an_image_of_the_pc_is_refused_for_a_zero(image: Image) -> None:
    engines = {"zero1": zero("zero1"), "zero2": zero("zero2")}
    with pytest.raises(UsageError, match=r"for linux/amd64, and zero\[1-2\] is armv6l; nothing was sent"):
        push.check_platform(image.platform, engines)


def test_an_image_that_does_not_fit_is_refused(image: Image) -> None:
    engines = {"pc": zero("pc", machine="x86_64", disk_free_mb=0)}
    large = tuple(archive.Layer(layer.chain, layer.path, 0, 90_000_000) for layer in image.layers)
    with pytest.raises(PibrambleError, match="nothing was sent") as caught:
        push.check_room(engines, {"pc": large})
    assert "pc has 0 MB free, and the image needs 180 MB there" in str(caught.value)


def test_a_node_without_docker_is_named_with_the_cure() -> None:
    engines = {"zero1": Engine("zero1", reachable=True)}
    with pytest.raises(MissingError, match="zero1 cannot take an image") as caught:
        push.check_engines(engines)
    assert "apt-get install -y docker.io" in caught.value.hint
