"""A lab of an ordinary user, where the kernel grants user namespaces: the same cluster, without sudo anywhere."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pibramble.targets.lab import clocks
from tests.lab.conftest import XMAS, LabCluster
from tests.lab.test_clocks import UNPACKED

pytestmark = pytest.mark.lab

NOBODY = pwd.getpwnam("nobody")  # an ordinary user that every machine has
PROBE = "from pibramble.targets.lab import ground; raise SystemExit(0 if ground.permitted(rootless=True) else 3)"


class OrdinaryUser(LabCluster):
    """The command, run by a user who is not root."""

    def pibramble(
        self, *args: str, timeout_s: float = 60, stdin: str | None = None, **options: object
    ) -> subprocess.CompletedProcess[str]:
        return super().pibramble(*args, timeout_s=timeout_s, stdin=stdin, **{**as_user(), **options})


def as_user() -> dict[str, object]:
    if os.getuid() != 0:
        return {}
    return {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []}


@pytest.fixture
def user_cluster(tmp_path: Path) -> Iterator[OrdinaryUser]:
    probe = subprocess.run([sys.executable, "-c", PROBE], **as_user(), capture_output=True, text=True, check=False)  # type: ignore[call-overload]
    if probe.returncode == 3:
        pytest.skip("this kernel grants ordinary users no namespaces")
    if probe.returncode != 0:
        pytest.skip(f"an ordinary user cannot run pibramble from here: {probe.stderr.strip().splitlines()[-1]}")
    file = tmp_path / "cluster.toml"
    file.write_text(XMAS)
    cluster = OrdinaryUser(file, tmp_path / "state")
    if os.getuid() == 0:
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(folder.stat().st_mode | 0o055)  # what else it allows stays: with --basetemp one may be /tmp
        os.chown(tmp_path, NOBODY.pw_uid, NOBODY.pw_gid)
    yield cluster
    cluster.pibramble("down")


def test_an_ordinary_user_has_a_lab_without_sudo(user_cluster: OrdinaryUser) -> None:
    up = user_cluster.pibramble("up")
    assert up.returncode == 0, up.stderr
    said = user_cluster.pibramble("exec", "-w", "@all", "--", "hostname; id -un; echo mine > file && cat file")
    assert said.returncode == 0, said.stderr
    assert sorted(said.stdout.split("\n")) == sorted(
        ["", *(f"{name}: {line}" for name in user_cluster.nodes for line in (name, "pi", "mine"))]
    )


def test_an_ordinary_user_s_nodes_run_mpi_over_their_wires(user_cluster: OrdinaryUser) -> None:
    assert user_cluster.pibramble("up").returncode == 0
    ran = user_cluster.pibramble("run", "examples/hello.c", cwd=str(Path(__file__).parents[2]))
    assert ran.returncode == 0, ran.stderr
    assert all(worker in ran.stdout for worker in user_cluster.nodes if worker != "head")


def test_an_ordinary_user_s_lab_comes_down_whole(user_cluster: OrdinaryUser) -> None:
    assert user_cluster.pibramble("up").returncode == 0
    assert user_cluster.pibramble("up").returncode == 0
    down = user_cluster.pibramble("down")
    assert down.returncode == 0, down.stderr
    assert not (user_cluster.folder / "lab.json").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to play sudo")
def test_a_lab_that_sudo_brought_up_is_the_callers_to_use(user_cluster: OrdinaryUser) -> None:
    sudo = {**user_cluster.environment, "SUDO_UID": str(NOBODY.pw_uid), "SUDO_GID": str(NOBODY.pw_gid)}
    up = user_cluster.pibramble("up", env=sudo, user=0, group=0)
    assert up.returncode == 0, up.stderr
    owners = {path.stat().st_uid for path in [user_cluster.state, *user_cluster.state.rglob("*")]}
    assert owners == {NOBODY.pw_uid}
    said = user_cluster.pibramble("exec", "-w", "zero1,aplus", "--", "hostname")
    assert said.returncode == 0, said.stderr
    assert sorted(said.stdout.split()) == ["aplus", "aplus:", "zero1", "zero1:"]
    assert user_cluster.pibramble("down", env=sudo, user=0, group=0).returncode == 0


def test_its_clocks_follow_the_head_without_root_too(
    user_cluster: OrdinaryUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin:{UNPACKED}")
    if lacking := clocks.missing():
        pytest.skip(f"needs {' and '.join(lacking)}: make setup-dev unpacks them")
    user_cluster.file.write_text(f'{XMAS.replace("ttyAMA0", "ttyUSB0")}\n[gps]\nport = "/dev/ttyAMA0"\n')
    up = user_cluster.pibramble("up")
    assert up.returncode == 0, up.stderr
    workers = ["zero1", "zero2", "zero3", "zero4", "aplus"]
    deadline = time.monotonic() + 60
    followed: dict[str, str] = {}
    while followed != dict.fromkeys(workers, "head") and time.monotonic() < deadline:
        said = json.loads(user_cluster.pibramble("status", "--json", "-w", ",".join(workers)).stdout)["cluster"]
        followed = {node["node"]: node["clock"]["source"] for node in said["nodes"]}
        time.sleep(1)
    assert followed == dict.fromkeys(workers, "head")
