"""An ordinary user who makes cards, and a look into what was made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

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


def make_builder(name: str, cluster: str, prefix: tuple[str, ...]) -> Builder:
    """Return whoever runs the tests, or the stranger, in a folder that stays from run to run."""
    folder = Path(os.environ.get("PIBRAMBLE_TEST_CACHE", "/var/tmp/pibramble-test-bases"))  # noqa: S108 (made 0700)
    folder.mkdir(mode=0o755, exist_ok=True)
    home = folder / name
    home.mkdir(exist_ok=True)
    (home / "cluster.toml").write_text(cluster)
    names = {"PIBRAMBLE_STATE": "state", "PIBRAMBLE_CACHE": "cache", "HOME": "."}
    environment = {**os.environ, **{key: str(home / place) for key, place in names.items()}}
    if prefix:
        subprocess.run(["chown", "-R", f"{_ID}:{_ID}", str(home)], check=True)
    return Builder(home, prefix, environment)


def build(builder: Builder, *nodes: str) -> subprocess.CompletedProcess[str]:
    """Make cards; where the mirror is half way between two releases today, there is nothing to be tested."""
    done = builder.pibramble("card", "build", *nodes)
    skip_if_mirror_is_half_way(done)
    assert done.returncode == 0, done.stderr
    return done


def skip_if_mirror_is_half_way(done: subprocess.CompletedProcess[str]) -> None:
    """Skip the test where no base could be made because the mirror contradicts itself, by every name of the release."""
    for sign in ("Mirror sync in progress", "has not got packages that its own index"):
        if done.returncode != 0 and sign in done.stderr:
            pytest.skip(f"the mirror is half way between two releases: {done.stderr.splitlines()[-1]}")


def as_stranger(etc: Path) -> tuple[str, ...]:
    """Return words that run a command as a user whom a mount namespace alone knows: this machine stays as it is."""
    lines = {
        "passwd": f"{_USER}:x:{_ID}:{_ID}::/nonexistent:/bin/sh\n",
        "group": f"{_USER}:x:{_ID}:\n",
        "subuid": f"{_USER}:{_FIRST_SUBID}:65536\n",
        "subgid": f"{_USER}:{_FIRST_SUBID}:65536\n",
    }
    for name, line in lines.items():
        real = Path("/etc") / name
        (etc / name).write_text((real.read_text() if real.exists() else "") + line)
    # A copy of the whole folder: a mount over one file is gone when somebody replaces that file, as useradd does.
    script = f'set -e; mount -t tmpfs none /mnt; cp -a /etc/. /mnt; cp {etc}/* /mnt; mount --move /mnt /etc; exec "$@"'
    drop = ("setpriv", f"--reuid={_ID}", f"--regid={_ID}", "--clear-groups", "--")
    readable = subprocess.run([*drop, sys.executable, "-c", "import pibramble"], capture_output=True, check=False)
    if readable.returncode != 0:
        pytest.skip("an ordinary user cannot read this checkout or its Python")
    return ("unshare", "--mount", "--", "sh", "-c", script, "sh", *drop)


def partitions(image: Path) -> list[int]:
    """Return where the boot and the root partition begin, in bytes."""
    table = json.loads(subprocess.run(["sfdisk", "--json", image], capture_output=True, check=True).stdout)
    return [part["start"] * 512 for part in table["partitiontable"]["partitions"]]


def on_root(image: Path, command: str) -> str:
    where = f"{image}?offset={partitions(image)[1]}"
    return subprocess.run(["debugfs", "-R", command, where], capture_output=True, text=True, check=True).stdout


def check_file_systems(image: Path, scratch: Path) -> None:
    """Let the file systems' own programs look at both partitions."""
    boot, root = partitions(image)
    for argv, start, count in ((["e2fsck", "-fn"], root, None), (["fsck.fat", "-n"], boot, root - boot)):
        part = scratch / "part"
        size = [] if count is None else [f"count={count}"]
        cut = ["dd", f"if={image}", f"of={part}", "bs=1M", "conv=sparse", "iflag=skip_bytes,count_bytes"]
        subprocess.run([*cut, f"skip={start}", *size], check=True, capture_output=True)
        done = subprocess.run([*argv, str(part)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        part.unlink()
