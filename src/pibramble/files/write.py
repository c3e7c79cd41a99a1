"""Writes a node's files below a folder: to look at them, or onto an unpacked root file system."""

from __future__ import annotations

from pathlib import Path

import attrs

from pibramble import paths
from pibramble.errors import PibrambleError, UsageError
from pibramble.files.model import NodeFiles


@attrs.frozen
class Written:
    """What came of it, as paths on the node."""

    written: tuple[str, ...]
    withheld: tuple[str, ...]  # private keys that nobody asked for
    unedited: tuple[str, ...]  # edits whose file is not below the folder


def write(node: NodeFiles, folder: Path, *, secrets: bool) -> Written:
    """Write everything below `folder`; apply the edits whose files are there already.

    Owners stay whoever runs this: the node's accounts need not exist here. Raises UsageError for `/`, PibrambleError
    where the folder cannot be written or a link in it leads out of it.
    """
    if folder.resolve() == Path("/"):
        raise UsageError("these files belong to a node, not to this machine", hint="name another folder than /")
    written, withheld, unedited = [], [], []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in node.files:
            if file.secret and not secrets:
                withheld.append(file.path)
                continue
            target = _below(folder, file.path)
            paths.write_private(target, file.content, file.mode)
            target.chmod(file.mode)  # whatever the umask is here
            written.append(file.path)
        for link in node.links:
            target = _below(folder, link.path)
            target.unlink(missing_ok=True)
            target.symlink_to(link.target)
            written.append(link.path)
        for edit in node.edits:
            target = _below(folder, edit.path)
            if not target.is_file():
                unedited.append(edit.path)
                continue
            mode = target.stat().st_mode & 0o7777
            paths.write_private(target, edit.apply(target.read_text(encoding="utf-8")), mode)
            written.append(edit.path)
    except OSError as error:
        message = f"{error.filename or folder}: {error.strerror}"
        raise PibrambleError(message, hint="name a folder that you may write to") from None
    return Written(tuple(written), tuple(withheld), tuple(unedited))


def _below(folder: Path, path: str) -> Path:
    """Return where the node's `path` lies below `folder`, its folder made."""
    target = folder / path.lstrip("/")
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        message = f"{target.parent}: a symbolic link leads out of {folder}"
        raise PibrambleError(message, hint="write into an empty folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target
