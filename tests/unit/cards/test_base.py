"""Bases in the cache: whole or not at all, one build at a time, damage noticed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pibramble.cards import base, recipe
from pibramble.catalog.model import Architecture
from pibramble.errors import MissingError, PibrambleError
from pibramble.progress import SilentProgress
from tests.unit.cards.bases import fill_base

KEY = "toy-armel-worker-0"
RECIPE = recipe.debian(Architecture.ARMV6, "worker", ["everywhere"])


@pytest.fixture(autouse=True)
def _own_cache(private_cache: Path) -> None:
    private_cache.mkdir()


def make(build: object = None, key: str = KEY) -> base.Base:
    return base.make(key, "a toy", build or (lambda scratch: fill_base(scratch, key)), SilentProgress())  # type: ignore[arg-type]


def leftovers() -> list[str]:
    return [path.name for path in base.folder().glob(".making-*")]


def test_a_base_is_made_once() -> None:
    made = make()
    assert made.packages == {"mpich": "4.2.1"}
    assert base.load(KEY) == made

    def never(_scratch: Path) -> None:
        raise AssertionError

    assert make(never) == made
    assert base.stored() == [made]


def test_a_build_that_fails_leaves_nothing_but_what_was_said() -> None:
    def fail(scratch: Path) -> None:
        (scratch / "build.log").write_text("dpkg: error\n")
        (scratch / "tree").mkdir()
        raise PibrambleError("it broke")

    with pytest.raises(PibrambleError, match="it broke") as caught:
        make(fail)
    kept = base.folder() / f".failed-{KEY}.log"
    assert str(kept) in caught.value.hint
    assert kept.read_text() == "dpkg: error\n"
    assert base.load(KEY) is None
    assert leftovers() == []


def test_ctrl_c_leaves_nothing() -> None:
    def interrupt(scratch: Path) -> None:
        (scratch / "root.tar").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(interrupt)
    assert leftovers() == []
    assert make().key == KEY


def test_what_a_killed_build_left_is_removed_by_the_next() -> None:
    script = (
        "import sys, time; from pathlib import Path; from pibramble.cards import base\n"
        "from pibramble.progress import SilentProgress\n"
        "def build(scratch):\n"
        "    (scratch / 'root.ext4').write_bytes(b'half a root'); print('at work', flush=True); time.sleep(60)\n"
        f"base.make({KEY!r}, 'a toy', build, SilentProgress())\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "at work\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert leftovers() != []
    assert base.load(KEY) is None
    assert make().key == KEY
    assert leftovers() == []


def test_two_builds_at_once_make_it_once() -> None:
    begun: list[Path] = []

    def slowly(scratch: Path) -> None:
        begun.append(scratch)
        time.sleep(0.5)
        fill_base(scratch, KEY)

    made: list[base.Base] = []
    threads = [threading.Thread(target=lambda: made.append(make(slowly))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) == 1
    assert made[0] == made[1]


@pytest.mark.parametrize("name", ["root.ext4", "boot/config.txt"])
def test_a_base_that_was_cut_is_made_anew(name: str) -> None:
    path = make().folder / name
    path.write_bytes(path.read_bytes()[:-1])
    assert base.load(KEY) is None
    assert make().key == KEY
    make().verify()


def test_bytes_that_changed_by_themselves_are_found_by_reading() -> None:
    made = make()
    before = made.root.stat()
    with made.root.open("r+b") as file:
        file.seek(5000)
        file.write(b"rot")
    os.utime(made.root, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert base.load(KEY) is not None
    with pytest.raises(PibrambleError, match=r"is damaged: root\.ext4") as caught:
        made.verify()
    assert "`pibramble card build --anew-bases`" in caught.value.hint


def test_without_an_emulator_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(architecture: str) -> None:
        raise MissingError(f"this machine cannot run programs for {architecture}")

    monkeypatch.setattr("pibramble.cards.foreign.check", refuse)
    with pytest.raises(MissingError, match="armel"):
        base.ensure(RECIPE, SilentProgress())
    assert leftovers() == []


def test_a_disk_with_too_little_room_is_told_before(tmp_path: Path) -> None:
    with pytest.raises(PibrambleError, match="GB free; making this base takes"):
        base.check_room(10**16, tmp_path / "scratch", tmp_path / "workshop")


@pytest.mark.parametrize(
    ("package", "version"),
    [
        ("4.2.1-1+b2", "4.2.1"),
        ("4.3.0+really4.2.1-1", "4.2.1"),
        ("1:4.0.2+dfsg-3", "4.0.2"),
        ("4.2.3", "4.2.3"),
        ("", ""),
    ],
)
def test_a_packages_version_is_told_as_its_authors_count(package: str, version: str) -> None:
    assert base.upstream(package) == version
