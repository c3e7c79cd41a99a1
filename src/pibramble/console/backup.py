"""Fetches a device's configuration over its console: netmiko logs in and asks, the bytes go over the broker's line.

netmiko speaks SSH, telnet and serial devices; here it is given a channel of ours instead, so no other port is opened,
and whoever watches the line sees what happens. It works with blocking calls, so it runs in a thread.
"""

from __future__ import annotations

import asyncio
import importlib.util
import re
import threading
import tomllib
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from pibramble.console.conversation import Wire
from pibramble.console.credentials import Credentials
from pibramble.console.masking import mask
from pibramble.console.model import Enter
from pibramble.errors import MissingError, PibrambleError, TimedOutError, UsageError

if TYPE_CHECKING:
    from netmiko.base_connection import BaseConnection

_HOW = Path(__file__).with_name("backups.toml")
LOGOUT_SECONDS = 5.0  # after Ctrl-C
WRITE_SECONDS = 60.0  # for a device that takes nothing
_ENTER = re.compile(r"\r\n|\r|\n")
_T = TypeVar("_T")


class LoginError(PibrambleError):
    """The device did not let us in."""


class EndedError(PibrambleError):
    """Whoever wanted the configuration has left."""


@attrs.frozen
class How:
    """How a kind of device shows its configuration."""

    command: str
    volatile: tuple[str, ...] = ()


def how(device_type: str, command: str | None) -> How:
    """Return how a device of netmiko's type is backed up; `command` overrides. Raises UsageError for an unknown one."""
    known = tomllib.loads(_HOW.read_text(encoding="utf-8"))
    said = known.get(device_type)
    if said is None and command is None:
        raise UsageError(
            f"nobody has said how a {device_type} shows its configuration",
            hint=f"--command; known are {', '.join(known)}",
        )
    said = said or {}
    return How(command or said["command"], tuple(said.get("volatile", ())))


def check() -> None:
    """Say before anything is done that a backup cannot be made here. Raises MissingError."""
    if importlib.util.find_spec("netmiko") is None:
        hint = "pip install 'pibramble[backup]', in a checkout scripts/setup backup; on a card: python3-netmiko"
        raise MissingError("backups are made by netmiko, which is not installed", hint=hint)


def tidy(text: str, volatile: Sequence[str], *, mask_secrets: bool) -> str:
    """Return a configuration as it is kept: without lines that change by themselves, and on request without secrets."""
    changing = [re.compile(pattern) for pattern in volatile]
    lines = [line.rstrip() for line in text.splitlines()]
    kept = [line for line in lines if not any(pattern.fullmatch(line) for pattern in changing)]
    whole = "\n".join(kept).strip("\n") + "\n"
    return mask(whole.encode()).decode() if mask_secrets else whole


async def fetch(  # noqa: PLR0913 (one login's knobs)
    wire: Wire, device_type: str, credentials: Credentials, command: str, *, enter: Enter, timeout_seconds: float
) -> str:
    """Log in, switch the pager off, ask, log out; return what the device answered.

    Raises LoginError, TimedOutError, UsageError for a device type that netmiko does not have, and what the wire raises.
    """
    check()
    channel = _Channel(wire, asyncio.get_running_loop(), enter)
    listening = asyncio.get_running_loop().create_task(channel.listen())
    asking = asyncio.ensure_future(asyncio.to_thread(_ask, channel, device_type, credentials, command, timeout_seconds))
    try:
        return await asyncio.shield(asking)
    except asyncio.CancelledError:  # Ctrl-C: netmiko must log out before the line is let go
        channel.end()
        with suppress(Exception):
            await asyncio.wait_for(asking, LOGOUT_SECONDS)
        raise
    finally:
        channel.end()
        listening.cancel()


def _ask(channel: _Channel, device_type: str, credentials: Credentials, command: str, timeout_seconds: float) -> str:
    from netmiko.exceptions import NetmikoAuthenticationException, ReadException, ReadTimeout
    from netmiko.ssh_dispatcher import CLASS_MAPPER

    driver = CLASS_MAPPER.get(f"{device_type}_telnet")  # those know how to log in, where ssh has done it for the others
    if driver is None:
        raise UsageError(f'netmiko has no "{device_type}_telnet"', hint="netmiko_type in the profile")
    made = _over(driver, channel)
    try:
        with made(
            device_type=f"{device_type}_telnet",
            host="console",
            username=credentials.username,
            password=credentials.password,
            secret=credentials.secret,
        ) as device:
            if credentials.secret and not device.check_enable_mode():
                _enable(device)
            answer = device.send_command(command, read_timeout=timeout_seconds)
            return str(answer)
    except NetmikoAuthenticationException:
        raise channel.failure or LoginError(
            "the device did not let us in", hint="is the password right? Watch the line while it is tried"
        ) from None
    except (ReadTimeout, ReadException) as error:
        if channel.failure:
            raise channel.failure from None
        first = str(error).strip().splitlines()[0]
        raise TimedOutError(f"the device did not answer in time: {first}") from None
    except EndedError:
        channel.log_out()
        raise


def _enable(device: BaseConnection) -> None:
    try:
        device.enable()
    except ValueError:
        raise LoginError("the device did not take the enable secret") from None


def _over(driver: type[BaseConnection], channel: _Channel) -> type[BaseConnection]:
    """Return the driver with our channel in the place of a connection of its own."""

    class OverLine(driver):  # type: ignore[misc, valid-type]
        def establish_connection(self, width: int = 511, height: int = 1000) -> None:  # noqa: ARG002 (netmiko's own)
            self.channel = channel
            self.remote_conn = channel
            self.serial_login()  # presses Enter first: a console shows nothing by itself

    return OverLine


class _Channel:
    """The line as netmiko sees one: `netmiko.channel.Channel`, called from netmiko's thread."""

    def __init__(self, wire: Wire, loop: asyncio.AbstractEventLoop, enter: Enter) -> None:
        self._wire, self._loop, self._enter = wire, loop, enter.bytes
        self._came = bytearray()
        self._lock = threading.Lock()
        self._ended = False
        self.failure: PibrambleError | None = None

    async def listen(self) -> None:
        """Collect what comes, on the loop."""
        try:
            while True:
                data = await self._wire.read()
                with self._lock:
                    self._came += data
        except PibrambleError as error:
            self.failure = error

    def end(self) -> None:
        """Answer no more: whoever waits for an answer gives up, and logs out."""
        self._ended = True

    def write_channel(self, out_data: str) -> None:
        """Send; netmiko's ends of lines are the Enter of the profile."""
        self._do(self._wire.write(_ENTER.sub("\n", out_data).encode().replace(b"\n", self._enter)))

    def read_buffer(self) -> str:
        """Return what has come."""
        return self.read_channel()

    def read_channel(self) -> str:
        """Return what has come."""
        if self._ended:
            raise EndedError("broken off")
        with self._lock:
            data = bytes(self._came)
            self._came.clear()
        if not data and self.failure:
            raise self.failure
        return data.decode("utf-8", "ignore")

    def close(self) -> None:
        """Do nothing: the line is the broker's."""

    def log_out(self) -> None:
        """Leave a session that netmiko was still opening: it leaves those alone that were not yet ready."""
        with suppress(PibrambleError):
            self.write_channel("exit\n")

    def _do(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WRITE_SECONDS)
