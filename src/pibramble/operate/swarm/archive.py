"""Reads what `docker save` writes: an image's configuration and its layers, where they lie in the archive.

Docker before 25 wrote a folder a layer, newer ones write the blobs of the OCI image layout; both put a manifest.json
beside them, which is what `docker load` reads. https://github.com/moby/docker-image-spec
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from pibramble.errors import PibrambleError

_MANIFEST = "manifest.json"
_MOST_JSON = 4 * 1024 * 1024  # bytes of a configuration; a real one has some kilobytes
_CHUNK = 256 * 1024


@attrs.frozen
class Layer:
    """One layer, and where it lies in the archive."""

    chain: str  # what this layer and all below it amount to; Docker's own name for it (OCI image spec, "ChainID")
    path: str  # in the archive
    offset: int
    size: int  # bytes


@attrs.frozen
class Platform:
    """What an image was made for."""

    system: str
    architecture: str  # as Go names it: amd64, arm64, arm
    variant: str = ""  # v6, v7

    def __str__(self) -> str:
        """Return it as docker writes it: linux/arm/v6."""
        return "/".join(part for part in (self.system, self.architecture, self.variant) if part)


@attrs.frozen
class Image:
    """An image in an archive."""

    archive: Path
    id: str  # sha256:..., the digest of its configuration
    names: tuple[str, ...]  # hello:1
    platform: Platform
    layers: tuple[Layer, ...]  # the lowest first
    config_path: str
    config: bytes

    @property
    def size(self) -> int:
        """Return how many bytes its layers have."""
        return sum(layer.size for layer in self.layers)


def chain_ids(diff_ids: Sequence[str]) -> tuple[str, ...]:
    """Return what each layer with all below it amounts to (OCI image spec, config.md, "Layer ChainID")."""
    chains: list[str] = []
    for diff_id in diff_ids:
        below = chains[-1] if chains else ""
        digest = hashlib.sha256(f"{below} {diff_id}".encode()).hexdigest()
        chains.append(f"sha256:{digest}" if below else diff_id)
    return tuple(chains)


def read(archive: Path) -> Image:
    """Read an archive with one image. Raises PibrambleError where it is none, or not whole."""
    try:
        with tarfile.open(archive, "r:") as tar:
            return _read(archive, tar)
    except (tarfile.TarError, KeyError, ValueError, IndexError, TypeError) as error:
        hint = f"it is what `docker save NAME -o FILE` writes, not compressed ({error})"
        raise PibrambleError(f"{archive} is no archive of an image", hint=hint) from None


def _read(archive: Path, tar: tarfile.TarFile) -> Image:
    entries = {entry.name.removeprefix("./"): entry for entry in tar}
    images = json.loads(_bytes(tar, entries[_MANIFEST]))
    if len(images) != 1:
        raise PibrambleError(f"{archive} holds {len(images)} images", hint="save one at a time")
    said: dict[str, Any] = images[0]
    config = _bytes(tar, entries[said["Config"]])
    facts = json.loads(config)
    chains = chain_ids(facts["rootfs"]["diff_ids"])
    layers = [_resolved(entries, path) for path in said["Layers"]]
    return Image(
        archive=archive,
        id=f"sha256:{hashlib.sha256(config).hexdigest()}",
        names=tuple(said.get("RepoTags") or ()),
        platform=Platform(facts["os"], facts["architecture"], facts.get("variant", "")),
        layers=tuple(
            Layer(chain, path, entry.offset_data, entry.size)
            for chain, path, entry in zip(chains, said["Layers"], layers, strict=True)
        ),
        config_path=said["Config"],
        config=config,
    )


def _resolved(entries: dict[str, tarfile.TarInfo], path: str) -> tarfile.TarInfo:
    """Return the file behind a path: a layer that occurs twice is a link to its first."""
    entry = entries[path]
    for _ in range(8):
        if entry.isreg():
            return entry
        target = entry.linkname
        if entry.issym():
            target = str(Path(path).parent / target)
        parts: list[str] = []
        for part in target.split("/"):
            if part == "..":
                parts.pop()
            elif part != ".":
                parts.append(part)
        path = "/".join(parts)
        entry = entries[path]
    raise ValueError(f"{path} is a link in a circle")


def _bytes(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(entry)
    if stream is None or entry.size > _MOST_JSON:
        raise ValueError(f"{entry.name} is no file of a sensible size")
    return stream.read()


def packed_size(image: Image, layers: Collection[Layer]) -> int:
    """Return how many bytes `pack` will yield."""
    manifest = _manifest(image)
    files = [len(manifest), len(image.config), *(layer.size for layer in layers)]
    headers = [_header(_MANIFEST, 0), _header(image.config_path, 0), *(_header(layer.path, 0) for layer in layers)]
    return sum(map(len, headers)) + sum(size + -size % tarfile.BLOCKSIZE for size in files) + 2 * tarfile.BLOCKSIZE


def pack(image: Image, layers: Sequence[Layer]) -> Iterator[bytes]:
    """Yield an archive of the image with these layers only, for `docker load`.

    It takes a layer from the archive only where it has none of that chain (moby, image/tarexport/load.go).
    """
    for path, content in ((_MANIFEST, _manifest(image)), (image.config_path, image.config)):
        yield _header(path, len(content)) + content + _padding(len(content))
    with image.archive.open("rb") as stream:
        for layer in layers:
            yield _header(layer.path, layer.size)
            stream.seek(layer.offset)
            left = layer.size
            while left:
                chunk = stream.read(min(_CHUNK, left))
                if not chunk:
                    raise PibrambleError(f"{image.archive} became shorter while it was read")
                left -= len(chunk)
                yield chunk
            yield _padding(layer.size)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _manifest(image: Image) -> bytes:
    paths = [layer.path for layer in image.layers]
    return json.dumps([{"Config": image.config_path, "RepoTags": list(image.names), "Layers": paths}]).encode()


def _header(path: str, size: int) -> bytes:
    entry = tarfile.TarInfo(path)
    entry.size = size
    entry.mode = 0o644
    return entry.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
