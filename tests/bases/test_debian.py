"""Debian for the boards, really made: by mmdebstrap, as an ordinary user, from this machine's own mirror.

These tests need some minutes, and the mirror. What they make stays in a cache of their own, so a second run is short; a
clean machine makes it anew.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

pytestmark = [pytest.mark.bases, pytest.mark.timeout(3600)]

CLUSTER = """\
[cluster]
name = "bases"

[head]
board = "pi-1b"

[[workers]]
name = "zero[1-2]"
"""
_USER, _ID = "pibramble-builder", 64_123
_FIRST_SUBID = 2_000_000


@attrs.frozen
class Builder:
    """An ordinary user in a folder with a cluster file."""

    folder: Path
    prefix: tuple[str, ...]  # what makes a command run as that user
    environment: dict[str, str]

    def run(self, *argv: str, timeout_s: float = 3000) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.prefix, *argv],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def pibramble(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "pibramble", *words)

    def card(self, node: str) -> Path:
        image = self.folder / f"{node}.img"
        done = self.pibramble("card", "export", node, str(image), "--force")
        assert done.returncode == 0, done.stderr
        return image


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Return who builds: whoever runs the tests, or a user who exists for them alone when that is root."""
    folder = Path(os.environ.get("PIBRAMBLE_TEST_CACHE", "/var/tmp/pibramble-test-bases"))  # noqa: S108 (made 0700)
    folder.mkdir(mode=0o755, exist_ok=True)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    (home / "cluster.toml").write_text(CLUSTER)
    names = {"PIBRAMBLE_STATE": "state", "PIBRAMBLE_CACHE": "cache", "HOME": "."}
    environment = {**os.environ, **{name: str(home / place) for name, place in names.items()}}
    prefix: tuple[str, ...] = ()
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", f"{_ID}:{_ID}", str(home)], check=True)
        prefix = _as_stranger(tmp_path_factory.mktemp("etc"))
    return Builder(home, prefix, environment)


def _as_stranger(etc: Path) -> tuple[str, ...]:
    """Return words that run a command as a user whom a mount namespace alone knows: this machine stays as it is."""
    lines = {
        "passwd": f"{_USER}:x:{_ID}:{_ID}::/nonexistent:/bin/sh\n",
        "group": f"{_USER}:x:{_ID}:\n",
        "subuid": f"{_USER}:{_FIRST_SUBID}:65536\n",
        "subgid": f"{_USER}:{_FIRST_SUBID}:65536\n",
    }
    mounts = []
    for name, line in lines.items():
        real = Path("/etc") / name
        (etc / name).write_text((real.read_text() if real.exists() else "") + line)
        real.touch()
        mounts.append(f"mount --bind {etc / name} {real}")
    script = "set -e; " + "; ".join(mounts) + '; exec "$@"'
    drop = ("setpriv", f"--reuid={_ID}", f"--regid={_ID}", "--clear-groups", "--")
    readable = subprocess.run([*drop, sys.executable, "-c", "import pibramble"], capture_output=True, check=False)
    if readable.returncode != 0:
        pytest.skip("an ordinary user cannot read this checkout or its Python")
    return ("unshare", "--mount", "--", "sh", "-c", script, "sh", *drop)


@pytest.fixture(scope="session")
def built(builder: Builder) -> Builder:
    """The cards of all nodes, made."""
    done = builder.pibramble("card", "build")
    if "Mirror sync in progress" in done.stderr and done.returncode != 0:
        pytest.skip(f"the mirror is half way between two days: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return builder


def partitions(image: Path) -> list[int]:
    """Return where the boot and the root partition begin, in bytes."""
    table = json.loads(subprocess.run(["sfdisk", "--json", image], capture_output=True, check=True).stdout)
    return [part["start"] * 512 for part in table["partitiontable"]["partitions"]]


def on_root(image: Path, command: str) -> str:
    where = f"{image}?offset={partitions(image)[1]}"
    return subprocess.run(["debugfs", "-R", command, where], capture_output=True, text=True, check=True).stdout


def test_a_second_build_makes_nothing(built: Builder) -> None:
    done = built.pibramble("card", "build", "--json")
    assert done.returncode == 0, done.stderr
    assert [card["reused"] for card in json.loads(done.stdout)] == [True, True, True]


@pytest.mark.parametrize("node", ["head", "zero1"])
def test_both_file_systems_of_a_card_are_sound(built: Builder, node: str, tmp_path: Path) -> None:
    image = built.card(node)
    boot, root = partitions(image)
    for program, start, count, name in (("e2fsck", root, None, "root"), ("fsck.fat", boot, root - boot, "boot")):
        part = tmp_path / name
        size = [] if count is None else [f"count={count}"]
        argv = [
            "dd",
            f"if={image}",
            f"of={part}",
            "bs=1M",
            "conv=sparse",
            "iflag=skip_bytes,count_bytes",
            f"skip={start}",
        ]
        subprocess.run([*argv, *size], check=True, capture_output=True)
        argv = ["e2fsck", "-fn"] if program == "e2fsck" else ["fsck.fat", "-n"]
        done = subprocess.run([*argv, str(part)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_files_have_the_owners_that_packages_gave_them(built: Builder) -> None:
    image = built.card("zero1")
    for path, owner, group, mode in (
        ("/usr/bin/sudo", 0, 0, "4755"),
        ("/etc/shadow", 0, 42, "0640"),
        ("/var/lib/chrony", None, None, "0750"),
        ("/etc/ssh/pibramble_host_key", 0, 0, "0600"),
    ):
        said = on_root(image, f"stat {path}")
        assert re.search(rf"Mode:\s+0?{mode}", said), said
        if owner is not None:
            assert re.search(rf"User:\s+{owner}\s+Group:\s+{group}\s", said), said


def test_only_the_head_has_a_private_key_of_the_user(built: Builder) -> None:
    files = {node: on_root(built.card(node), "ls -p /etc/pibramble") for node in ("head", "zero1")}
    assert "/user_key/" in files["head"]
    assert "user_key" not in files["zero1"]
    assert "card.json" in files["zero1"]


def test_a_compiler_on_the_head_uses_the_boards_float_unit(built: Builder, tmp_path: Path) -> None:
    """The head's own compiler, run in a copy of its root by the emulator, says which instructions it makes."""
    image, tree = built.card("head"), tmp_path / "root"
    script = (
        f"mkdir {tree} && debugfs -R 'rdump / {tree}' '{image}?offset={partitions(image)[1]}' 2>/dev/null; "
        f"printf 'double half(double x) {{ return x / 2; }}\\n' >{tree}/half.c; mount -t proc proc {tree}/proc; "
        f"chroot {tree} /usr/local/bin/mpicc -O2 -S -o - /half.c"
    )
    namespace = ["unshare", "--mount", "--pid", "--fork", *([] if os.getuid() == 0 else ["--user", "--map-root-user"])]
    done = subprocess.run([*namespace, "sh", "-c", script], capture_output=True, text=True, check=False)
    assert "vmul.f64" in done.stdout or "vdiv.f64" in done.stdout, done.stdout + done.stderr
    assert "__aeabi_ddiv" not in done.stdout
