"""What images are called in the head's registry, what it says of itself, and what is wrong with it."""

from __future__ import annotations

import json

import attrs
import pytest

from pibramble.errors import MissingError, NotUpError, PibrambleError, UsageError
from pibramble.operate.swarm import registry
from pibramble.operate.swarm.registry import RegistryLook
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, ContainersSection, Engine, WorkerGroup

WORKERS = (WorkerGroup(name="zero1"),)
PLAN = resolve(Cluster(workers=WORKERS, containers=ContainersSection(engine=Engine.DOCKER_SWARM, registry=True)))
PLAIN = resolve(Cluster(workers=WORKERS, containers=ContainersSection(engine=Engine.DOCKER_SWARM)))
OWN = f"{PLAN.head.address}:5000"
GOOD = RegistryLook(OWN, installed=True, answers=True, disk_free_mb=900)


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("web", "library/web:latest"),
        ("web:1", "library/web:1"),
        ("acme/web:1", "acme/web:1"),
        ("docker.io/web:1", "library/web:1"),
        ("docker.io/acme/web", "acme/web:latest"),
        (f"{OWN}/web:1", "web:1"),
        (f"{OWN}/acme/web", "acme/web:latest"),
    ],
)
def test_a_plain_name_is_one_of_dockers_own_registry(name: str, called: str) -> None:
    assert registry.repository(PLAN, name) == called


@pytest.mark.parametrize("called", ["library/web:1", "acme/web:1", "web:1"])
def test_what_is_shown_is_what_a_stack_says(called: str) -> None:
    assert registry.repository(PLAN, registry.said_name(OWN, called)) == called


@pytest.mark.parametrize(
    "name", ["ghcr.io/a/b:1", "localhost/web:1", "pc:5000/web", "web@sha256:1234", "../web", "web:../1"]
)
def test_an_image_of_another_registry_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        registry.repository(PLAN, name)
    assert "docker tag" in caught.value.hint


@pytest.mark.parametrize("name", ["", "Web:1", "a/../../b:1", "web:", "a b"])
def test_what_can_be_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be an image's name"):
        registry.repository(PLAN, name)


def test_a_plan_without_a_registry_says_how_to_have_one() -> None:
    with pytest.raises(MissingError, match="has no registry") as caught:
        registry.repository(PLAIN, "web:1")
    assert "registry = true" in caught.value.hint


def test_the_heads_answer_is_read() -> None:
    manifest = json.dumps({"config": {"size": 1000}, "layers": [{"size": 2000}, {"size": 3000}]})
    said = f"installed yes\nanswers yes\ndisk 512000\nused 8\nimage library/web:1 sha256:ab {manifest}\n"
    found = registry.read(OWN, said)
    assert (found.installed, found.answers, found.disk_free_mb, found.used_bytes) == (True, True, 500, 8192)
    assert found.images == (registry.Kept("web:1", "sha256:ab", 6000),)


def test_a_head_with_nothing_of_a_registry() -> None:
    assert registry.read(OWN, "") == RegistryLook(OWN, installed=False, answers=False)


@pytest.mark.parametrize(
    ("found", "kind", "message", "cure"),
    [
        (attrs.evolve(GOOD, installed=False), MissingError, "docker-registry is not installed", "apt-get"),
        (attrs.evolve(GOOD, answers=False), NotUpError, f"its registry does not answer at {OWN}", "systemctl restart"),
        (attrs.evolve(GOOD, disk_free_mb=240), PibrambleError, "the image may take 50 MB", "swarm image remove"),
    ],
)  # fmt: skip
def test_a_registry_that_takes_no_image_is_told_with_the_cure(
    found: RegistryLook, kind: type[PibrambleError], message: str, cure: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        registry.check(PLAN, found, 50)
    assert "nothing was sent" in caught.value.message
    assert cure in caught.value.hint


def test_a_registry_that_is_well_takes_it() -> None:
    registry.check(PLAN, GOOD, 50)
    assert registry.judge(PLAN, GOOD) == ()
    [scarce] = registry.judge(PLAN, attrs.evolve(GOOD, disk_free_mb=100))
    assert not scarce.stops
