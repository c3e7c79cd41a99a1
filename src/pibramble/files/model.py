"""The types of the node files."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs


@attrs.frozen
class NodeFile:
    """A whole file. `content` is text; `owner` is an account name, which is also its group."""

    path: str  # absolute
    content: str
    why: str  # one sentence for `pibramble files NODE`
    mode: int = 0o644
    owner: str = "root"
    secret: bool = False  # a private key: shown only on request


@attrs.frozen
class Symlink:
    """A symbolic link; how systemd units are enabled and masked."""

    path: str
    target: str
    why: str


@attrs.frozen
class Edit:
    """A change to a file that the base system brings along: config.txt, cmdline.txt, shadow.

    Everything that `remove` (a regular expression, multi-line) matches goes; then each of `add` that is not yet there
    comes at the end, parted by `separator`. Doing it twice changes nothing.
    """

    path: str
    why: str
    remove: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    separator: str = "\n"

    def apply(self, text: str) -> str:
        """Return the changed text."""
        for pattern in self.remove:
            text = re.sub(pattern, "", text, flags=re.MULTILINE)
        body = text.rstrip("\n ")
        present = body.split(self.separator)
        wanted = [item for item in self.add if item not in present]
        return self.separator.join([*([body] if body else []), *wanted]) + "\n"


Entry = NodeFile | Symlink | Edit


@attrs.frozen
class NodeFiles:
    """All that one node's disk must hold beyond its base system."""

    node: str
    files: tuple[NodeFile, ...]
    links: tuple[Symlink, ...] = ()
    edits: tuple[Edit, ...] = ()

    @property
    def entries(self) -> list[Entry]:
        """Return everything, by path."""
        entries: list[Entry] = [*self.files, *self.links, *self.edits]
        return sorted(entries, key=lambda entry: entry.path)

    def content(self, path: str) -> str:
        """Return the content of the file at `path`. Raises KeyError."""
        for file in self.files:
            if file.path == path:
                return file.content
        raise KeyError(path)


@attrs.frozen
class HostKey:
    """A node's SSH host key (OpenSSH's own text formats) and its certificate."""

    private: str
    public: str
    certificate: str


@attrs.frozen
class Keyring:
    """The cluster's keys as text. The CA's private half is not here: no node ever holds it."""

    ca_public: str
    user_private: str
    user_public: str
    user_certificate: str
    hosts: Mapping[str, HostKey]  # by node name
