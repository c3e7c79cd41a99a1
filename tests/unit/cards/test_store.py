"""The store: what a card is worth today, and what happens when things under it break."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from ipaddress import IPv4Address
from pathlib import Path

import attrs
import pytest

from pibramble import keys
from pibramble.cards import foundation
from pibramble.cards.build import Builder
from pibramble.cards.delta import DeltaError
from pibramble.cards.image import Extent, ImageError
from pibramble.cards.store import Store, Worth
from pibramble.errors import PibrambleError
from pibramble.progress import SilentProgress
from tests.unit.cards.bases import make_base
from tests.unit.cards.conftest import Workshop

QUIET = SilentProgress()


@pytest.fixture
def own(workshop: Workshop, private_cache: Path, tmp_path: Path) -> Workshop:
    """A store and a cache of the test's own, with one card."""
    assert not private_cache.exists()
    shop = attrs.evolve(workshop, store=Store(tmp_path / "state"), base=make_base(tmp_path))
    shop.make("zero1")
    return shop


def worth(shop: Workshop, node: str) -> Worth:
    return next(stored.worth for stored in shop.store.stored(shop.plan, shop.keyring) if stored.node == node)


def test_what_each_card_is_worth(own: Workshop) -> None:
    assert (worth(own, "zero1"), worth(own, "zero2")) == (Worth.CURRENT, Worth.MISSING)
    changed = attrs.evolve(own, plan=attrs.evolve(own.plan, nameservers=(IPv4Address("192.0.2.1"),)))
    assert worth(changed, "zero1") is Worth.PLAN_CHANGED
    gone = attrs.evolve(own, plan=attrs.evolve(own.plan, workers=own.plan.workers[1:]))
    assert worth(gone, "zero1") is Worth.NOT_PLANNED
    own.store.path("zero1").write_bytes(b"nothing")
    assert worth(own, "zero1") is Worth.DAMAGED


def test_replaced_keys_and_another_pibramble_are_called_by_their_names(
    own: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.make("head")
    others = attrs.evolve(own, keyring=keys.ensure(own.plan, tmp_path / "others", QUIET))
    assert {worth(others, name) for name in ("head", "zero1")} == {Worth.KEYS_REPLACED}
    commented = attrs.evolve(own, plan=attrs.evolve(own.plan, source="# another comment"))
    # The head carries the text; a worker is the same card.
    assert (worth(commented, "head"), worth(commented, "zero1")) == (Worth.PLAN_CHANGED, Worth.CURRENT)
    monkeypatch.setattr("pibramble.cards.content._GROW", "#!/bin/sh\n# a newer one's\n")
    assert {worth(own, name) for name in ("head", "zero1")} == {Worth.PIBRAMBLE_CHANGED}
    assert worth(others, "zero1") is Worth.KEYS_REPLACED
    assert (worth(commented, "head"), worth(commented, "zero1")) == (Worth.PLAN_CHANGED, Worth.PIBRAMBLE_CHANGED)


def test_a_newer_pibramble_that_makes_another_plan_of_the_same_text_is_not_called_a_changed_plan(
    own: Workshop,
) -> None:
    written = attrs.evolve(own, plan=attrs.evolve(own.plan, source="# the cluster file"))
    written.make("zero1")
    newer = attrs.evolve(written, plan=attrs.evolve(written.plan, nameservers=(IPv4Address("192.0.2.1"),)))
    assert worth(newer, "zero1") is Worth.PIBRAMBLE_CHANGED


def test_a_card_that_does_not_say_what_it_was_made_from_is_put_down_to_the_plan(own: Workshop) -> None:
    path = own.store.path("zero1")
    stored = path.read_bytes()
    begin = stored.index(b"{")
    length = int.from_bytes(stored[begin - 4 : begin], "big")
    facts = json.loads(stored[begin : begin + length])
    del facts["origin"]
    text = json.dumps(facts).encode()
    path.write_bytes(stored[: begin - 4] + len(text).to_bytes(4, "big") + text + stored[begin + length :])
    assert worth(own, "zero1") is Worth.CURRENT
    changed = attrs.evolve(own, plan=attrs.evolve(own.plan, nameservers=(IPv4Address("192.0.2.1"),)))
    assert worth(changed, "zero1") is Worth.PLAN_CHANGED


def test_a_build_makes_what_is_missing_and_reuses_the_rest(own: Workshop) -> None:
    builder = Builder(own.plan, own.keyring, own.store)
    nodes = [own.plan.node("zero1"), own.plan.node("head")]
    built = builder.build(nodes, lambda _: own.base, QUIET)
    assert [(one.node, one.reused) for one in built] == [("zero1", True), ("head", False)]
    assert all(one.stored_bytes and one.size_bytes for one in built)
    again = builder.build(nodes, lambda _: own.base, QUIET, anew=True)
    assert [one.reused for one in again] == [False, False]


def test_a_foundation_that_was_cut_is_made_anew(own: Workshop) -> None:
    made = foundation.load("toy")
    assert made is not None
    made.image.chmod(0o600)
    os.truncate(made.image, 1 << 20)
    assert foundation.load("toy") is None
    assert worth(own, "zero1") is Worth.BASE_CHANGED
    with pytest.raises(DeltaError, match="not there any more"):
        own.store.image("zero1")
    assert foundation.ensure(own.base, QUIET).digest == made.digest
    assert worth(own, "zero1") is Worth.CURRENT


def test_a_base_that_was_made_anew_with_other_bytes_takes_the_card_with_it(own: Workshop, tmp_path: Path) -> None:
    made = foundation.load("toy")
    assert made is not None
    (made.folder / "made.json").unlink()
    other = tmp_path / "other"
    base = make_base(other, boot={"config.txt": "other\n", "cmdline.txt": "root=/dev/mmcblk0p2\n"})
    foundation.ensure(base, QUIET)
    with pytest.raises(DeltaError, match="made anew since"):
        own.store.image("zero1")


def test_a_root_that_is_cut_short_is_refused(private_cache: Path, tmp_path: Path) -> None:
    base = make_base(tmp_path)
    os.truncate(base.root, 40 << 20)
    with pytest.raises(PibrambleError, match=r"root\.ext4 is cut short"):
        foundation.ensure(base, QUIET)
    assert not list(foundation.folder().glob("[!.]*"))
    assert private_cache.exists()


def test_a_stored_card_that_is_damaged_is_not_used(own: Workshop) -> None:
    path = own.store.path("zero1")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DeltaError, match="is damaged"), own.store.image("zero1"):
        pass
    path.write_bytes(whole[:100])
    with pytest.raises(DeltaError, match="is damaged"):
        own.store.image("zero1")
    path.unlink()
    with pytest.raises(DeltaError, match="no card yet"):
        own.store.image("zero1")


def test_reads_across_differences_and_beyond_the_end(own: Workshop) -> None:
    with own.store.image("zero1") as image:
        assert sum(extent.length for extent in image.differences) < 1_000_000
        extent = image.differences[0]
        wide = image.read(extent.offset, extent.length + 8192)
        assert wide[: extent.length] == image.read(extent.offset, extent.length)
        assert wide[100:200] == image.read(extent.offset + 100, 100)
        assert Extent(0, 512).offset == image.differences[0].offset
        with pytest.raises(ImageError, match="ends at byte"):
            image.read(image.size_bytes - 10, 20)


def test_a_build_waits_for_another(own: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pibramble.cards.store._PATIENCE_S", 0.2)
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(own.store.folder / ".lock")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(PibrambleError, match="`card build`"):
            Builder(own.plan, own.keyring, own.store).build([own.plan.node("head")], lambda _: own.base, QUIET)
    finally:
        child.kill()
        child.wait()
    assert Builder(own.plan, own.keyring, own.store).build([own.plan.node("head")], lambda _: own.base, QUIET)


_HOLDER = """
import sys, time
from pathlib import Path
from pibramble import locks
with locks.held(Path(sys.argv[1]), "card build"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_build_that_was_killed_leaves_nothing_in_the_way(private_cache: Path, tmp_path: Path) -> None:
    """kill -9 in the middle of making the foundation: the next build starts over and sweeps."""
    base = make_base(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", _MAKER, str(base.root), str(base.boot)])
    deadline = time.monotonic() + 20
    while not list(private_cache.glob("foundations/.making-toy-*/disk.img")):
        assert time.monotonic() < deadline
        assert child.poll() is None
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert foundation.load("toy") is None
    assert foundation.ensure(base, QUIET).image.exists()
    assert not list(private_cache.glob("foundations/.making-*"))


_MAKER = """
import sys, time
from pathlib import Path
sys.path.insert(0, ".")
from pibramble.cards import foundation
from pibramble.progress import SilentProgress
from tests.unit.cards.bases import ToyBase
foundation._make_boot = lambda *_: time.sleep(60)
foundation.ensure(ToyBase("toy", Path(sys.argv[1]), Path(sys.argv[2])), SilentProgress())
"""


def test_two_builds_at_once_make_one_foundation(private_cache: Path, tmp_path: Path) -> None:
    base = make_base(tmp_path)
    script = _MAKER.replace("foundation._make_boot = lambda *_: time.sleep(60)\n", "")
    argv = [sys.executable, "-c", script, str(base.root), str(base.boot)]
    children = [subprocess.Popen(argv) for _ in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
    assert [path.name for path in private_cache.glob("foundations/[!.]*")] == ["toy"]


@pytest.mark.skipif(os.getuid() != 0, reason="a small disk needs a mount of its own")
def test_a_full_disk_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    base = make_base(tmp_path)
    small = tmp_path / "small"
    small.mkdir()
    script = (
        f"mount -t tmpfs -o size=300k none {small} && export PIBRAMBLE_CACHE={small} && "
        f"'{sys.executable}' -c \"$1\" '{base.root}' '{base.boot}'; ls -A {small}/foundations"
    )
    maker = _MAKER.replace("foundation._make_boot = lambda *_: time.sleep(60)\n", "")
    maker = maker.replace(
        "foundation.ensure(", "from pibramble.errors import PibrambleError\ntry:\n    foundation.ensure("
    )
    maker += "except PibrambleError as error:\n    print(error)\n"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", maker], capture_output=True, text=True, check=False
    )
    assert f"the disk that holds {small}/foundations is full" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == ".lock-toy"
