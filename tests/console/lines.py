"""Serial lines for tests: two pseudo-terminals joined by socat, with real programs at the far end."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pibramble.console.emulation import Terminal

PATIENCE_S = 40  # of a busy machine


def until(what: Callable[[], object], why: str = "", patience_s: float = PATIENCE_S) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < deadline, why or "it took too long"
        time.sleep(0.02)


class Wire:
    """A serial cable: what goes in at one end comes out at the other."""

    def __init__(self, folder: Path, name: str = "sw1") -> None:
        self.device, self.far = folder / name, folder / f"{name}-far"
        self._process: subprocess.Popen[bytes] | None = None
        self.plug()

    def plug(self) -> None:
        """Plug the adapter in."""
        argv = ["socat", f"PTY,link={self.device},rawer", f"PTY,link={self.far},rawer"]
        self._process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        until(lambda: self.device.exists() and self.far.exists(), "socat makes no pseudo-terminals")

    def pull(self) -> None:
        """Pull it out, at once."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.device.unlink(missing_ok=True)
        self.far.unlink(missing_ok=True)

    @contextmanager
    def at_far_end(self) -> Iterator[int]:
        """Open the far end, raw and without waiting."""
        fd = os.open(self.far, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(fd)
        try:
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def getty(self, term: str = "vt220") -> Iterator[None]:
        """Let a Debian log-in answer: agetty, login and bash."""
        real = self.far.resolve().relative_to("/dev")
        argv = ["agetty", "--noclear", "-8", "-L", "--autologin", "root", str(real), "115200", term]
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as getty:
            try:
                yield
            finally:
                getty.kill()


class Serve:
    """A broker in a process of its own."""

    def __init__(self, folder: Path, *devices: Path) -> None:
        self.folder = folder / "state" / "console"
        self.environment = {
            **os.environ,
            "PIBRAMBLE_STATE": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
        }
        self._cwd, self._devices = folder, devices
        self.start()

    def start(self, *pages: str) -> None:
        """Start it, and wait until it serves; `pages`: the options of its pages."""
        argv = [sys.executable, "-m", "pibramble", "serve", *(pages or ("--no-web",)), *map(str, self._devices)]
        self._log = (self._cwd / "serve.log").open("ab")
        before = self.said.count("serving")
        self.process = subprocess.Popen(argv, cwd=self._cwd, env=self.environment, stdout=self._log, stderr=self._log)
        until(lambda: self.said.count("serving") > before or self.process.poll() is not None, "it does not serve")
        assert self.process.poll() is None, self.said

    @property
    def said(self) -> str:
        """Return what it has printed."""
        return (self._cwd / "serve.log").read_text()

    @property
    def rss_kib(self) -> int:
        """Return how much memory it has."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])

    def end(self, number: int = signal.SIGINT) -> int:
        """End it and return its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self._log.close()
        return code

    def log(self, port: str = "sw1") -> str:
        """Return a port's log."""
        file = self.folder / "logs" / port / "console.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def pibramble(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside it."""
        argv = [sys.executable, "-m", "pibramble", *words]
        return subprocess.run(
            argv, cwd=self._cwd, env=self.environment, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )


class Person:
    """Somebody at a terminal of 80x24 who runs `pibramble console`."""

    def __init__(self, serve: Serve, *words: str) -> None:
        self.screen = Terminal()
        self.raw = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(serve.environment["PIBRAMBLE_STATE"] + "/..")
            argv = [sys.executable, "-m", "pibramble", "console", *words]
            os.execvpe(argv[0], argv, {**serve.environment, "TERM": "xterm"})  # noqa: S606 (no shell)
        termios.tcsetwinsize(self.fd, (24, 80))
        self.code: int | None = None
        self.before = termios.tcgetattr(self.fd)

    def look(self, seconds: float = 0.05) -> str:
        """Return what the screen shows."""
        deadline = time.monotonic() + seconds
        while select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # the terminal has ended
                break
            if not data:
                break
            self.raw += data
            self.screen.feed(data)
        return "\n".join(line.rstrip() for line in self.screen.display)

    def sees(self, text: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until a text is on the screen."""
        deadline = time.monotonic() + patience_s
        while text not in self.look():
            assert time.monotonic() < deadline, f"no {text!r} on the screen:\n{self.look()}"

    def hears(self, text: str) -> None:
        """Wait until a text has been written, wherever it is now and however the screen breaks it."""
        until(lambda: self.look() and text.encode() in self.raw, f"{text!r} was not written:\n{self.raw!r}")

    def types(self, text: str) -> None:
        """Type."""
        os.write(self.fd, text.encode())

    def leaves(self) -> int:
        """Press Ctrl-] q, and return the exit code."""
        self.types("\x1dq")
        return self.ends()

    def ends(self) -> int:
        """Wait for the command to end, and return its exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self.code is None:
            self.look()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline, f"it does not end:\n{self.look()}"
        return self.code

    def gone(self) -> None:
        """Clean up."""
        if self.code is None:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        with suppress(OSError):
            os.close(self.fd)
