"""What is known of an emulated cluster that is up: the file emulator.json in the cluster's state folder."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import attrs

from pibramble import paths
from pibramble.errors import NotUpError
from pibramble.serialise import plain
from pibramble.targets.emulator.order import Facts
from pibramble.targets.processes import Process

_ANSWER_S = 10


@attrs.frozen
class EmulatorState:
    """An emulated cluster: its keeper, whose children are the machines."""

    keeper: Process
    plan_digest: str
    ssh_port: int  # of this machine's loopback; leads to the head's SSH
    sockets: str  # the folder of consoles, wires and the keeper's own socket

    def save(self, file: Path) -> None:
        """Write the state, whole or not at all."""
        paths.write_private(file, json.dumps(plain(self), indent=1))

    @classmethod
    def load(cls, file: Path) -> EmulatorState | None:
        """Read the state; None where there is none, or none that makes sense."""
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            return cls(keeper=Process(**data.pop("keeper")), **data)
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None

    @property
    def control(self) -> Path:
        """Return the keeper's socket."""
        return control_socket(Path(self.sockets))

    def ask(self, do: str, node: str = "") -> Facts:
        """Have the keeper do something, and return how everything is then. Raises NotUpError."""
        request = json.dumps({"do": do, "node": node}).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_ANSWER_S)
                connection.connect(str(self.control))
                connection.sendall(request)
                answer: dict[str, Any] = json.loads(connection.makefile("rb").read())
        except (OSError, ValueError) as error:
            message = f"the emulator's keeper (process {self.keeper.pid}) does not answer: {self._why(error)}"
            raise NotUpError(message, hint="`pibramble down`, then `pibramble up --target emulator`") from None
        if "error" in answer:
            raise NotUpError(f"the emulator's keeper refused `{do} {node}`: {answer['error']}")
        return Facts.read(answer)

    def _why(self, error: Exception) -> str:
        """Return in words why there was no answer."""
        match error:
            case FileNotFoundError():
                return f"its socket {self.control} is gone"
            case TimeoutError():
                return f"nothing came from {self.control} within {_ANSWER_S} s"
            case OSError():
                return f"{self.control}: {(error.strerror or str(error)).lower()}"
            case _:
                return f"what came from {self.control} makes no sense"


def control_socket(sockets: Path) -> Path:
    """Return the keeper's socket in the folder of sockets."""
    return sockets / "keeper"
