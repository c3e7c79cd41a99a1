"""A card reader on an emulated head's USB: QEMU's usb-storage, whose card a test puts in, makes slow, and pulls out.

On a 64-bit head, which has QEMU's xHCI: its dwc2 (7.2) ends with an assertion when a device goes that it waits for.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

_WRAPPER = """\
#!/bin/sh
# Starts QEMU; the head's gets a monitor, and a limit for what is put in.
case " $* " in
*" -name {cluster}-head "*)
    set -- "$@" -qmp unix:{monitor},server=on,wait=off -object throttle-group,id=pace -device qemu-xhci ;;
esac
exec {qemu} "$@"
"""
_MEDIUM = "medium"
_READER = "reader"


@attrs.frozen
class Reader:
    """The reader, by QEMU's monitor."""

    monitor: Path

    def put_in(self, file: Path, *, read_only: bool = False) -> None:
        """Plug a reader in with a card in it, which the file is."""
        image = {"driver": "file", "filename": str(file), "read-only": read_only}
        inner = {"driver": "raw", "file": image, "read-only": read_only}
        paced = {"driver": "throttle", "throttle-group": "pace", "node-name": _MEDIUM, "file": inner}
        self._ask("blockdev-add", **paced, **{"read-only": read_only})
        self._ask("device_add", driver="usb-storage", id=_READER, drive=_MEDIUM, removable=True)

    def pull_out(self) -> None:
        """Take it out, in the middle of whatever goes on."""
        with self._opened() as ask:
            ask("device_del", id=_READER)
            ask("blockdev-del", **{"node-name": _MEDIUM}, patient=True)

    def pace(self, bytes_per_s: int) -> None:
        """Make it as slow as that; 0: as fast as it can."""
        limits = {"bps-total": bytes_per_s}
        self._ask("qom-set", path="/objects/pace", property="limits", value=limits)

    def _ask(self, order: str, **words: Any) -> None:  # noqa: ANN401 (JSON)
        with self._opened() as ask:
            ask(order, **words)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(60)
            line.connect(str(self.monitor))
            with line.makefile("rw") as stream:

                def answer() -> dict[str, Any]:
                    while True:
                        said: dict[str, Any] = json.loads(stream.readline())
                        if "event" not in said:
                            return said

                def ask(order: str, *, patient: bool = False, **words: Any) -> None:  # noqa: ANN401 (JSON)
                    while True:
                        stream.write(json.dumps({"execute": order, "arguments": words}) + "\n")
                        stream.flush()
                        said = answer()
                        if "error" not in said:
                            return
                        # The guest lets go of it when it likes.
                        assert patient, said
                        assert "in use" in said["error"]["desc"], said

                answer()  # its greeting
                ask("qmp_capabilities")
                yield ask


@contextmanager
def installed(folder: Path, cluster: str) -> Iterator[Reader]:
    """Have every QEMU that is started while the block runs get a reader, if it is the head of that cluster."""
    qemu = shutil.which("qemu-system-aarch64")
    assert qemu is not None
    programs = folder / "bin"
    programs.mkdir()
    wrapper = programs / "qemu-system-aarch64"
    monitor = folder / "monitor"
    wrapper.write_text(_WRAPPER.format(cluster=cluster, monitor=monitor, qemu=qemu))
    wrapper.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        yield Reader(monitor)
