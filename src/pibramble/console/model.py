"""What a serial line is: its speed and framing, its profile, its port. Frozen types; nothing here touches a device."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

import attrs


class Parity(StrEnum):
    """The bit that guards a character."""

    NONE = "none"
    EVEN = "even"
    ODD = "odd"

    @property
    def letter(self) -> str:
        """Return the letter of "8N1"."""
        return self.value[0].upper()


class Flow(StrEnum):
    """How one end makes the other wait."""

    NONE = "none"
    HARDWARE = "rtscts"
    SOFTWARE = "xonxoff"


class Enter(StrEnum):
    """What the Enter key sends."""

    CR = "cr"
    CRLF = "crlf"
    CR_NUL = "cr-nul"  # old gear, and telnet (RFC 854)
    LF = "lf"

    @property
    def bytes(self) -> bytes:
        """Return what goes down the line."""
        return _ENTERS[self]

    @classmethod
    def of(cls, sent: str) -> Enter:
        """Return the Enter key that sends this."""
        return next(enter for enter, known in _ENTERS.items() if known == sent.encode())


_ENTERS: Mapping[Enter, bytes] = {Enter.CR: b"\r", Enter.CRLF: b"\r\n", Enter.CR_NUL: b"\r\0", Enter.LF: b"\n"}

_SETTINGS = re.compile(
    r"(?P<baud>\d{2,8})(?:[ ,/](?P<bits>[5-8])(?P<parity>[NEO])(?P<stop>[12]))?(?:[ ,](?P<flow>[a-z]+))?"
)
_LETTERS = {parity.letter: parity for parity in Parity}


@attrs.frozen
class Settings:
    """Speed and framing of a line."""

    baud: int = 9600
    data_bits: int = 8
    parity: Parity = Parity.NONE
    stop_bits: int = 1
    flow: Flow = Flow.NONE

    def __str__(self) -> str:
        """Return "9600 8N1", and the flow control where there is some: "115200 8N1 rtscts"."""
        flow = "" if self.flow is Flow.NONE else f" {self.flow}"
        return f"{self.baud} {self.data_bits}{self.parity.letter}{self.stop_bits}{flow}"

    @classmethod
    def parse(cls, text: str) -> Settings:
        """Return the settings that a person writes: "115200", "9600 7E1", "115200 8N1 rtscts". Raises ValueError."""
        found = _SETTINGS.fullmatch(text.strip())
        if found is None:
            raise ValueError(f'"{text}" is no speed and framing: as "9600", "9600 8N1" or "115200 8N1 rtscts"')
        flow = found["flow"] or Flow.NONE
        if flow not in list(Flow):
            raise ValueError(f'"{flow}" is no flow control: none, rtscts or xonxoff')
        framing = (int(found["bits"]), _LETTERS[found["parity"]], int(found["stop"])) if found["bits"] else ()
        return attrs.evolve(cls(int(found["baud"]), *framing), flow=Flow(flow))

    @property
    def character_seconds(self) -> float:
        """Return how long one character takes on the wire: a start bit, its bits, the stop bits."""
        bits = 1 + self.data_bits + (self.parity is not Parity.NONE) + self.stop_bits
        return bits / self.baud


@attrs.frozen
class Pacing:
    """How slowly a device must be fed: old gear has no flow control, and loses what comes while it thinks."""

    per_character_seconds: float = 0
    per_line_seconds: float = 0
    check_echo: bool = False  # what is sent must come back before the next line goes


@attrs.frozen
class Send:
    """Send a text; a newline in it stands for the Enter key, which sends what the profile says."""

    text: str


@attrs.frozen
class WaitFor:
    """Wait until the device has printed what a regular expression finds."""

    pattern: str
    timeout_seconds: float = 10


@attrs.frozen
class Break:
    """Hold the line low; None: as long as the profile says."""

    seconds: float | None = None


@attrs.frozen
class Confirm:
    """Ask the person before going on."""

    question: str


Step = Send | WaitFor | Break | Confirm


@attrs.frozen
class Button:
    """A hot button: steps under one key or one tap."""

    name: str
    label: str
    steps: tuple[Step, ...]


@attrs.frozen
class Profile:
    """How a kind of device is spoken to."""

    name: str
    title: str
    settings: Settings = attrs.field(factory=Settings)
    enter: Enter = Enter.CR
    pacing: Pacing = attrs.field(factory=Pacing)
    # Regular expressions, each searched in the last line that was printed, without its escape sequences.
    prompts: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    netmiko_type: str | None = None  # netmiko's device_type, for `console backup`
    break_seconds: float = 0.3  # Cisco's ROMMON wants 100 to 500 ms

    def button(self, name: str) -> Button | None:
        """Return the button of that name."""
        return next((button for button in self.buttons if button.name == name), None)


class Source(StrEnum):
    """Why there is such a port."""

    CLUSTER_FILE = "cluster file"  # a [[consoles]] of it
    NODE = "node"  # a node's own console
    AD_HOC = "ad hoc"  # somebody named the device


SOCKET_PREFIX = "unix:"  # before the path of a Unix socket that stands for a device, as the emulator's consoles do


@attrs.frozen
class Port:
    """One serial line that the console serves."""

    name: str
    device: str  # a path below /dev, or "unix:" and a socket's path
    profile: str
    settings: Settings
    source: Source
    tcp_port: int | None = None  # of RFC 2217 on this machine's loopback

    @property
    def socket(self) -> str | None:
        """Return the path of the socket that stands for the device, if one does."""
        return self.device.removeprefix(SOCKET_PREFIX) if self.device.startswith(SOCKET_PREFIX) else None


class State(StrEnum):
    """How a port is."""

    OPEN = "open"
    ABSENT = "absent"  # the device is not there; it is looked for
    BUSY = "busy"  # another program holds it; it is tried again
    FAILED = "failed"  # it cannot be opened for another reason; it is tried again
