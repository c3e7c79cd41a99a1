"""How far mmdebstrap is, as a terminal shows it: what it really said once is said again by a program of its name.

The recording is of a worker's base for armel, 167 packages; the lines about downloads are left out.
"""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pibramble.cards import bootstrap

RECORDING = Path(__file__).parents[2] / "data" / "cards" / "mmdebstrap.log"
PACKAGES = 167  # in the base's own list

# It stops in the middle until it is told to go on.
_MMDEBSTRAP = """#!/bin/sh
head -n {half} '{recording}' >&2
while [ ! -e '{go}' ]; do sleep 0.05; done
tail -n +{rest} '{recording}' >&2
echo 'I: the very end' >&2
while [ ! -e '{end}' ]; do sleep 0.05; done
"""
_FOLLOW = """
import sys
from pathlib import Path
from pibramble.cards import bootstrap
from pibramble.progress import for_terminal
home = Path(sys.argv[1])
with for_terminal().step("Installing a toy", total={packages}, unit="packages") as step:
    print(bootstrap.mmdebstrap([], home / "root.tar", home / "build.log", home, 0, step))
"""


class Screen:
    def __init__(self, home: Path) -> None:
        lines = RECORDING.read_text().splitlines()
        self.half = len(lines) // 2
        self.done_by_then = len({line.split()[2] for line in lines[: self.half] if line.startswith("Setting up")})
        self.home = home
        program = home / "bin" / "mmdebstrap"
        program.parent.mkdir()
        program.write_text(
            _MMDEBSTRAP.format(
                half=self.half, rest=self.half + 1, recording=RECORDING, go=home / "go", end=home / "end"
            )
        )
        program.chmod(0o755)
        environment = {
            **os.environ,
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "TERM": "xterm",
            "COLUMNS": "120",
        }
        self.terminal, theirs = pty.openpty()
        argv = [sys.executable, "-c", _FOLLOW.format(packages=PACKAGES), str(home)]
        self.process = subprocess.Popen(argv, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.shown = ""

    def until(self, text: str) -> None:
        deadline = time.monotonic() + 30
        while text not in self.shown:
            assert select.select([self.terminal], [], [], max(0.0, deadline - time.monotonic()))[0], self.shown
            try:
                piece = os.read(self.terminal, 65536)
            except OSError:  # it ended
                break
            self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", piece.decode())
        assert text in self.shown, self.shown

    def end(self) -> int:
        (self.home / "end").touch()
        code = self.process.wait(20)
        os.close(self.terminal)
        return code


def test_packages_are_counted_as_they_are_set_up(tmp_path: Path) -> None:
    screen = Screen(tmp_path)
    screen.until(f" {screen.done_by_then}/{PACKAGES} ")
    assert f"{PACKAGES}/{PACKAGES}" not in screen.shown
    (tmp_path / "go").touch()
    screen.until(f" {PACKAGES}/{PACKAGES} ")  # while it still works: the last step of a bar is not it
    assert screen.process.poll() is None
    assert screen.end() == 0
    assert "update-initramfs: Generating" in screen.shown  # what takes longest, and has no package of its own
    assert (tmp_path / "build.log").read_text() == RECORDING.read_text() + "I: the very end\n"


@pytest.mark.parametrize("code", [1, 25])
def test_what_went_wrong_is_what_sounds_like_it(tmp_path: Path, code: int) -> None:
    said = [
        "I: fine\n",
        "E: Failed to fetch http://mirror.example/pool/libx_1_armel.deb  404  Not Found\n",
        "I: more\n",
    ]
    recording = tmp_path / "recording"
    recording.write_text("".join(said))
    program = tmp_path / "bin" / "mmdebstrap"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat '{recording}' >&2\nexit {code}\n")
    program.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        result, log = tmp_path / "root.tar", tmp_path / "build.log"
        assert bootstrap.mmdebstrap([], result, log, tmp_path, 0, _Silent()) == [said[1].rstrip()]
    assert (tmp_path / "build.log").read_text() == "".join(said)


class _Silent:
    def advance(self, units: int = 1, note: str = "") -> None:
        """Say nothing."""
