"""Images as `docker save` writes them, made without docker: layers from files, a configuration, a manifest."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

Files = Mapping[str, bytes]  # path -> content, all executable


def layer(files: Files) -> bytes:
    """Return a layer with these files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def save(  # noqa: PLR0913 (what an image is made of)
    archive: Path,
    name: str,
    layers: Sequence[Files],
    *,
    command: Sequence[str] = ("/web",),
    architecture: str = "amd64",
    variant: str = "",
) -> Path:
    """Write an archive of one image, in the layout of Docker 25 and newer."""
    blobs = [layer(files) for files in layers]
    facts = {
        "os": "linux",
        "architecture": architecture,
        **({"variant": variant} if variant else {}),
        "config": {"Cmd": list(command)},
        "rootfs": {"type": "layers", "diff_ids": [digest(blob) for blob in blobs]},
    }
    config = json.dumps(facts).encode()
    paths = {digest(blob): f"blobs/sha256/{digest(blob)[7:]}" for blob in (config, *blobs)}
    manifest = {"Config": paths[digest(config)], "RepoTags": [name], "Layers": [paths[digest(blob)] for blob in blobs]}
    contents = {paths[digest(blob)]: blob for blob in (config, *blobs)} | {
        "manifest.json": json.dumps([manifest]).encode()
    }
    with tarfile.open(archive, "w") as tar:
        for path, content in contents.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return archive
