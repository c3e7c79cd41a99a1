"""Who somebody is, and which ports he may read and write. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase

import attrs


@attrs.frozen
class Person:
    """Somebody at a browser. Ports are named as in the shell: "sw1", "sw*", "*"."""

    name: str
    read: tuple[str, ...] = ("*",)
    write: tuple[str, ...] = ("*",)

    def may_read(self, port: str) -> bool:
        """Tell whether he may watch a port: whoever may write on it may watch it."""
        return _matches(port, self.read) or self.may_write(port)

    def may_write(self, port: str) -> bool:
        """Tell whether he may take control of a port."""
        return _matches(port, self.write)


def _matches(port: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(port, pattern) for pattern in patterns)
