"""A mirror that is not whole, as they are over a release of Debian: mmdebstrap, and a server that answers 404."""

from __future__ import annotations

import functools
import http.server
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from pibramble.cards import archive, bootstrap, recipe
from pibramble.cards.archive import ArchiveError
from pibramble.cards.bootstrap import LackingError
from pibramble.cards.mirror import Source
from pibramble.catalog.model import Architecture
from pibramble.progress import SilentProgress
from tests.unit.cards.mirrors import make_mirror

pytestmark = pytest.mark.bases


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        pass


@pytest.fixture
def room() -> Iterator[Path]:
    """A folder where mmdebstrap works as another user."""
    with tempfile.TemporaryDirectory(prefix="pibramble-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def source(room: Path) -> Iterator[Source]:
    """A mirror that has an index, signed, and none of the packages that it names."""
    mirror = make_mirror(room)
    mirror.publish("trixie", "trixie")
    handler = functools.partial(_Quiet, directory=str(mirror.folder.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield attrs.evolve(mirror.source(), uri=f"http://127.0.0.1:{server.server_port}/{mirror.folder.name}")
        server.shutdown()


def test_packages_that_the_mirror_has_not_got_are_told_by_name(source: Source, room: Path, tmp_path: Path) -> None:
    wanted = attrs.evolve(recipe.debian(Architecture.ARMV6, "worker", []), packages=("mpich",))
    found = archive.ask([source], "armel", wanted.packages, tmp_path / "apt")
    with pytest.raises(LackingError) as caught:
        bootstrap.bootstrap(wanted, found, tmp_path, room, SilentProgress())
    assert caught.value.packages == ("base-files",)  # what is essential is fetched first
    with pytest.raises(ArchiveError, match="has not got packages that its own index of trixie armel names: "):
        archive.ask([source], "armel", wanted.packages, tmp_path / "again", lacking=caught.value.packages)
