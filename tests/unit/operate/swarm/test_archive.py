"""Reading what `docker save` writes, and packing what a node lacks."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from pibramble.errors import PibrambleError
from pibramble.operate.swarm import archive
from pibramble.operate.swarm.archive import Platform
from pibramble.operate.swarm.push import missing
from tests.unit.operate.swarm import images

BASE = {"lib": b"x" * 5000}


def unpacked(packed: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]  # all are files


def test_a_layers_name_depends_on_all_below_it() -> None:
    first, second = archive.chain_ids(["sha256:aa", "sha256:bb"])
    assert first == "sha256:aa"
    # OCI image spec, config.md: ChainID(A, B) = Digest(ChainID(A) + " " + DiffID(B))
    assert second == f"sha256:{hashlib.sha256(b'sha256:aa sha256:bb').hexdigest()}"
    assert archive.chain_ids(["sha256:cc", "sha256:bb"])[1] != second


def test_an_archive_says_what_it_holds(tmp_path: Path) -> None:
    file = images.save(tmp_path / "a.tar", "web:1", [BASE, {"web": b"1"}], architecture="arm", variant="v6")
    image = archive.read(file)
    assert image.names == ("web:1",)
    assert str(image.platform) == "linux/arm/v6"
    assert [layer.size for layer in image.layers] == [len(images.layer(BASE)), len(images.layer({"web": b"1"}))]
    assert image.id == images.digest(image.config)


def test_only_what_is_missing_is_packed_and_as_large_as_foretold(tmp_path: Path) -> None:
    image = archive.read(images.save(tmp_path / "a.tar", "web:1", [BASE, {"web": b"1"}]))
    upper = missing(image, [[images.digest(images.layer(BASE))]])
    assert [layer.chain for layer in upper] == [image.layers[1].chain]
    packed = b"".join(archive.pack(image, upper))
    assert len(packed) == archive.packed_size(image, upper)
    found = unpacked(packed)
    assert set(found) == {"manifest.json", image.config_path, image.layers[1].path}
    assert found[image.layers[1].path] == images.layer({"web": b"1"})
    [manifest] = json.loads(found["manifest.json"])
    assert manifest["Layers"] == [layer.path for layer in image.layers]  # docker load skips those that it has


def test_the_same_files_over_other_ones_are_another_layer(tmp_path: Path) -> None:
    image = archive.read(images.save(tmp_path / "a.tar", "web:1", [BASE, {"web": b"1"}]))
    lone = [[images.digest(images.layer({"web": b"1"}))]]
    assert missing(image, lone) == image.layers


def test_a_layer_that_is_a_link_to_another_is_found(tmp_path: Path) -> None:
    """Docker before 25 writes a layer that occurs twice as a link: ../OTHER/layer.tar."""
    blob = images.layer(BASE)
    config = json.dumps(
        {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [images.digest(blob)] * 2}}
    ).encode()
    manifest = [{"Config": "c.json", "RepoTags": None, "Layers": ["one/layer.tar", "two/layer.tar"]}]
    with tarfile.open(tmp_path / "old.tar", "w") as tar:
        for name, content in {
            "c.json": config, "one/layer.tar": blob, "manifest.json": json.dumps(manifest).encode()
        }.items():  # fmt: skip
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("two/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../one/layer.tar"
        tar.addfile(link)
    image = archive.read(tmp_path / "old.tar")
    assert image.layers[0].offset == image.layers[1].offset
    assert image.names == ()
    assert image.platform == Platform("linux", "amd64")


@pytest.mark.parametrize("content", [b"", b"no archive", images.layer({"a": b"b"})])
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(PibrambleError, match="no archive of an image"):
        archive.read(tmp_path / "x.tar")


def test_an_archive_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    file = images.save(tmp_path / "a.tar", "web:1", [{"web": b"1" * 100_000}])
    file.write_bytes(file.read_bytes()[:60_000])
    with pytest.raises(PibrambleError, match="no archive of an image"):
        archive.read(file)
