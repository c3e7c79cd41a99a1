"""A Cisco switch's console port, as far as a console meets it: boot, ROMMON on break, setup dialog, login, pager.

The simulators on PyPI (fakenos, simnos) are SSH servers that begin behind the login; a console begins before it. This
one sits behind a pty, and behind a UART that has a speed: what is sent to it at another one arrives as a UART reads it,
and a break is what looks like one on the wire. (A pty carries no break of its own: TIOCSBRK on it does nothing.)

    python -m tests.console.automation.ios LINK        makes LINK lead to its pty, until Ctrl-C
"""

from __future__ import annotations

import os
import pty
import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path

from pibramble.console.model import Settings
from tests.unit.console.uart import read_at

CONFIGURATION = Path(__file__).with_name("sw1.cfg")
BAUDS = {getattr(termios, f"B{baud}"): baud for baud in (300, 1200, 9600, 19_200, 38_400, 57_600, 115_200)}

MORE = " --More-- "
_ERASE = "\b" * 9 + " " * 8 + "\b" * 9  # as IOS takes " --More-- " away again


class At(Enum):
    """What the switch waits for."""

    BOOT = auto()
    ROMMON = auto()
    RETURN = auto()
    SETUP = auto()
    USERNAME = auto()
    PASSWORD = auto()
    EXEC = auto()
    ENABLE = auto()
    PAGER = auto()
    CONFIG = auto()


class Ios:
    """The switch's side of the line: bytes in, bytes out."""

    def __init__(self, say: Callable[[bytes], None], *, configured: bool = True, boot_seconds: float = 1.0) -> None:
        self._say_bytes, self.configured, self.boot_seconds = say, configured, boot_seconds
        self.hostname = "sw1" if configured else "Switch"
        self.at = At.RETURN
        self.commands: list[str] = []  # what was typed at prompts, for the tests to look at
        self.privileged = False
        self._register = 0x2102
        self._rommon_lines = 1
        self._booted_at = 0.0
        self._line = ""
        self._user = ""
        self._length = 24
        self._pages: list[str] = []
        self._after_cr = False

    # --- From outside ---

    def power_on(self) -> None:
        self.at, self.privileged, self._length = At.BOOT, False, 24
        self._booted_at = time.monotonic() + self.boot_seconds
        self._say("\r\nSystem Bootstrap, Version 12.1(11r)EA1, RELEASE SOFTWARE (fc1)\r\n")
        self._say("Base ethernet MAC Address: 00:00:5e:00:53:01\r\n")

    def tick(self) -> None:
        """Let time pass."""
        if self.at is At.BOOT and time.monotonic() >= self._booted_at:
            self._say('Loading "flash:c2960.bin"...######## [OK]\r\n\r\nPress RETURN to get started!\r\n')
            self.at = At.RETURN
            self.configured = self.configured and self._register != 0x2142
            self.hostname = "sw1" if self.configured else "Switch"

    def breaks(self) -> None:
        """Take a break: it counts only while the switch boots."""
        if self.at is At.BOOT:
            self.at, self._rommon_lines = At.ROMMON, 1
            self._say('\r\nmonitor: command "boot" aborted due to user interrupt\r\n')
            self._prompt()

    def feed(self, data: bytes) -> None:
        for byte in data:
            self._key(chr(byte & 0x7F))  # IOS takes seven bits (exec-character-bits), unless it is told otherwise

    # --- The keyboard ---

    def _key(self, key: str) -> None:
        after_cr, self._after_cr = self._after_cr, key == "\r"
        if key == "\n" and after_cr:
            return
        if self.at is At.PAGER:
            self._page(key)
        elif self.at is At.RETURN:
            if key in "\r\n":
                self._greet()
        elif key in "\r\n":
            line, self._line = self._line, ""
            self._say("\r\n")
            self._entered(line.strip())
        elif key in "\b\x7f":
            if self._line:
                self._line = self._line[:-1]
                self._echo("\b \b")
        elif key.isprintable():
            self._line += key
            self._echo(key)

    def _echo(self, text: str) -> None:
        if self.at not in {At.PASSWORD, At.ENABLE, At.BOOT}:
            self._say(text)

    def _greet(self) -> None:
        if self.configured:
            self._say("\r\n\r\nUser Access Verification\r\n\r\n")
            self.at = At.USERNAME
        else:
            self._say("\r\n         --- System Configuration Dialog ---\r\n\r\n")
            self.at = At.SETUP
        self._prompt()

    def _entered(self, line: str) -> None:  # noqa: C901 (one case for each state)
        match self.at:
            case At.SETUP if line in ("no", "n"):
                self._say("\r\n\r\nPress RETURN to get started!\r\n")
                self.at, self.configured, self.hostname = At.EXEC, True, "Switch"
            case At.SETUP:
                self._say("% Please answer 'yes' or 'no'.\r\n")
            case At.USERNAME:
                self._user = line
                self.at = At.PASSWORD if line else At.USERNAME
            case At.PASSWORD:
                self.at = At.EXEC if (self._user, line) == ("ada", "lovelace") else At.USERNAME
                if self.at is At.USERNAME:
                    self._say("% Login invalid\r\n\r\n")
            case At.ENABLE:
                self.privileged, self.at = line == "charles", At.EXEC
                if not self.privileged:
                    self._say("% Access denied\r\n\r\n")
            case At.ROMMON:
                self._rommon(line)
            case At.CONFIG:
                self._configure(line)
            case At.EXEC if line:
                self.commands.append(line)
                self._command(line)
        if self.at not in {At.PAGER, At.RETURN, At.BOOT}:
            self._prompt()

    def _prompt(self) -> None:
        mark = "#" if self.privileged else ">"
        prompts = {
            At.SETUP: "Would you like to enter the initial configuration dialog? [yes/no]: ",
            At.USERNAME: "Username: ",
            At.PASSWORD: "Password: ",
            At.ENABLE: "Password: ",
            At.EXEC: f"{self.hostname}{mark}",
            At.CONFIG: f"{self.hostname}(config)#",
            At.ROMMON: f"rommon {self._rommon_lines} > ",
        }
        self._say(prompts[self.at])

    # --- What is typed at prompts ---

    def _rommon(self, line: str) -> None:
        self._rommon_lines += 1
        if line.startswith("confreg 0x"):
            self._register = int(line.split()[1], 16)
            self._say("\r\nYou must reset or power cycle for new config to take effect\r\n")
        elif line in ("reset", "boot"):
            self.power_on()
        elif line:
            self._say(f'command "{line}" not found\r\n')

    def _configure(self, line: str) -> None:
        if line.startswith("hostname "):
            self.hostname = line.split()[1]
        elif line in ("end", "exit"):
            self.at = At.EXEC
            self._say("*Nov 25 02:00:00.000: %SYS-5-CONFIG_I: Configured from console by console\r\n")

    def _command(self, line: str) -> None:  # noqa: C901 (one case for each command)
        words = line.split()
        if _short(words, "enable"):
            if not self.privileged:
                self.at = At.ENABLE
        elif _short(words, "disable"):
            self.privileged = False
        elif _short(words, "exit") or _short(words, "logout"):
            self.privileged, self._length = False, 24
            self._say(f"\r\n\r\n{self.hostname} con0 is now available\r\n\r\nPress RETURN to get started.\r\n")
            self.at = At.RETURN
        elif _short(words[:2], "terminal", "length") and words[-1].isdigit():
            self._length = int(words[-1])
        elif _short(words[:2], "terminal", "width") and words[-1].isdigit():
            pass
        elif _short(words, "show", "clock"):
            self._say(time.strftime("*%H:%M:%S.000 UTC %a %b %d %Y\r\n", time.gmtime()))
        elif _short(words, "show", "version"):
            self._print(_VERSION.format(hostname=self.hostname).splitlines())
        elif self.privileged and _short(words, "show", "running-config"):
            now = time.strftime("%H:%M:%S UTC %a %b %d %Y", time.gmtime())
            text = CONFIGURATION.read_text(encoding="ascii")
            self._print(text.format(now=f"{now} {time.monotonic_ns()}", hostname=self.hostname).splitlines())
        elif self.privileged and _short(words, "configure", "terminal"):
            self._say("Enter configuration commands, one per line.  End with CNTL/Z.\r\n")
            self.at = At.CONFIG
        elif self.privileged and _short(words, "reload"):
            self.power_on()
        else:
            self._say(f"{' ' * len(self.hostname)} ^\r\n% Invalid input detected at '^' marker.\r\n\r\n")

    # --- The pager ---

    def _print(self, lines: list[str]) -> None:
        self._pages = lines
        self._turn(self._length - 1 if self._length else len(lines))

    def _page(self, key: str) -> None:
        self._say(_ERASE)
        if key == " ":
            self._turn(self._length - 1)
        elif key in "\r\n":
            self._turn(1)
        else:
            self._pages = []
            self._turn(1)

    def _turn(self, count: int) -> None:
        page, self._pages = self._pages[:count], self._pages[count:]
        self._say("".join(f"{line}\r\n" for line in page))
        was_paging, self.at = self.at is At.PAGER, At.PAGER if self._pages else At.EXEC
        if self._pages:
            self._say(MORE)
        elif was_paging:
            self._prompt()

    def _say(self, text: str) -> None:
        self._say_bytes(text.encode("ascii"))


_VERSION = """\
Cisco IOS Software, C2960 Software (C2960-LANBASEK9-M), Version 15.2(7)E, RELEASE SOFTWARE (fc1)
Technical Support: http://www.cisco.com/techsupport

ROM: Bootstrap program is C2960 boot loader
{hostname} uptime is 1 day, 2 hours, 3 minutes
System returned to ROM by power-on
System image file is "flash:c2960.bin"

cisco WS-C2960-8TC-L (PowerPC405) processor (revision D0) with 65536K bytes of memory.
Processor board ID FOC00000000
Configuration register is 0xF
"""


def _short(words: list[str], *whole: str) -> bool:
    """Tell whether words are those, shortened as IOS lets one."""
    return len(words) == len(whole) and all(w.startswith(word) for word, w in zip(words, whole, strict=True))


class Console:
    """An `Ios` behind a pty, in a thread."""

    def __init__(self, *, baud: int = 9600, configured: bool = True, boot_seconds: float = 3.0) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.path, self._slave = os.ttyname(slave), slave  # kept open: a switch does not go when nobody listens
        self._own = Settings(baud)
        self.ios = Ios(self._print, configured=configured, boot_seconds=boot_seconds)
        self.heard = b""  # every byte that has come
        self._stop = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Tell whether it still takes what comes."""
        return self._thread.is_alive()

    def close(self) -> None:
        self._stop = True
        self._thread.join(5)
        os.close(self._master)
        os.close(self._slave)

    def _run(self) -> None:
        while not self._stop:
            if select.select([self._master], [], [], 0.02)[0]:
                data = os.read(self._master, 4096)
                self.heard += data
                heard = read_at(data, self._host, self._own) if self._host != self._own else None
                for _ in range(heard.breaks if heard else 0):
                    self.ios.breaks()
                self.ios.feed(heard.data if heard else data)
            self.ios.tick()

    def _print(self, data: bytes) -> None:
        os.write(self._master, read_at(data, self._own, self._host).data if self._host != self._own else data)

    @property
    def _host(self) -> Settings:
        """Return the speed of who has the other side open: a pty's master sees it."""
        return Settings(BAUDS.get(termios.tcgetattr(self._master)[4], 50))


@contextmanager
def console(**options: object) -> Iterator[Console]:
    """Give a switch on a pty."""
    it = Console(**options)  # type: ignore[arg-type]
    try:
        yield it
    finally:
        it.close()


if __name__ == "__main__":
    link = Path(sys.argv[1])
    with console() as shown:
        link.unlink(missing_ok=True)
        link.symlink_to(shown.path)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            link.unlink()
