"""tmux as a terminal: a second opinion on what a stream shows."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

TMUX = shutil.which("tmux")
PATIENCE_S = 20

# Raw, or the terminal's driver would add its returns; the pane stays until its screen has been taken.
_SHOW = 'stty raw -echo && cat "$0" && : >"$0.end" && exec sleep 1000'


_FACTS = " ".join(
    f"{fact}=#{{{fact}}}"
    for fact in (
        *("cursor_x", "cursor_y", "cursor_flag", "insert_flag", "origin_flag", "wrap_flag", "keypad_cursor_flag"),
        *("keypad_flag", "scroll_region_upper", "scroll_region_lower", "alternate_on", "pane_tabs"),
    )
)


class Tmux:
    """A server of its own, with a pane of 80x24 for each stream."""

    def __init__(self, folder: Path) -> None:
        """Start it; the folder is for its socket and the streams."""
        self._folder = folder
        self._run(
            "start-server", ";", "set-option", "-g", "exit-empty", "off", ";", "set-option", "-g", "status", "off"
        )

    def end(self) -> None:
        self._run("kill-server")

    def shown(self, *streams: bytes) -> list[str]:
        """Return what each of these streams shows: the cells with their looks, the cursor, and the modes."""
        files = [self._folder / f"stream{number}" for number in range(len(streams))]
        for file, stream in zip(files, streams, strict=True):
            file.write_bytes(stream)
            self._run("new-session", "-d", "-s", file.name, "-x", "80", "-y", "24", "sh", "-c", _SHOW, str(file))
        seen = [self._look(file) for file in files]
        for file in files:
            self._run("kill-session", "-t", file.name)
            _end(file).unlink()
        return seen

    def _look(self, file: Path) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while not _end(file).exists():
            assert time.monotonic() < deadline, "tmux does not show it all"
            time.sleep(0.01)
        look = ("capture-pane", "-p", "-e", "-t", file.name, ";", "display-message", "-p", "-t", file.name, _FACTS)
        seen, again = "", self._run(*look)
        while seen != again:  # what has been written may not be read yet
            time.sleep(0.03)
            seen, again = again, self._run(*look)
        return seen

    def _run(self, *words: str) -> str:
        argv = ["tmux", "-u", "-f", "/dev/null", "-S", str(self._folder / "tmux"), *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=PATIENCE_S).stdout


def _end(file: Path) -> Path:
    return file.with_name(f"{file.name}.end")
