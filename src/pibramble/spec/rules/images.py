"""Rules on the images that cards are made from: what can be told from their names. `card build` opens them."""

from __future__ import annotations

from collections.abc import Iterator

from pibramble.catalog.model import Board
from pibramble.spec.findings import Finding, Severity
from pibramble.spec.locate import Path
from pibramble.spec.rules.view import View

ENDINGS = (".img", ".img.xz", ".img.gz", ".img.zst")


def names(view: View) -> Iterator[Finding]:
    """Check that each image is named as one, and packed in a way that is known."""
    for path, name in _given(view):
        if not name.endswith(ENDINGS) or name in ENDINGS:
            message = f'"{name}" is no name of an image'
            cure = f"it ends in {', '.join(ENDINGS)}" + ("; unpack it first" if name.endswith(".zip") else "")
            yield Finding("image-name", path, message, cure)


def without_effect(view: View) -> Iterator[Finding]:
    """Warn of an image for what boots from no card."""
    head = view.cluster.head
    boards: list[tuple[Path, str | None, Board | None]] = [(("head", "image"), head.image, view.head_board)]
    boards += [(group.path("image"), group.group.image, group.board) for group in view.groups]
    for path, name, board in boards:
        if name is not None and board is not None and not board.firmware:
            message = f"a {board.name} boots from no card: the image is not used"
            yield Finding("image-unused", path, message, "leave it out", Severity.WARNING)


def no_mpich_of_their_own(view: View) -> Iterator[Finding]:
    """Check that no MPICH is to be compiled for cards that are made from an image: those have their release's."""
    given = [path for path, _ in _given(view)]
    if view.cluster.mpi.source and given:
        message = "an MPICH from source goes into bases of Debian only, not into those from an image"
        cure = "leave out one of the two: an image brings the MPICH of its release"
        yield Finding("image-and-mpi", ("mpi", "source"), message, cure, rests_on=tuple(given[:1]))


def _given(view: View) -> Iterator[tuple[Path, str]]:
    cluster = view.cluster
    if cluster.cards.image is not None:
        yield ("cards", "image"), cluster.cards.image
    if cluster.head.image is not None:
        yield ("head", "image"), cluster.head.image
    for group in view.groups:
        if group.group.image is not None:
            yield group.path("image"), group.group.image
