"""Cards that come and go."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from pibramble.cards.slot import is_empty, present, wait_for_card


def test_a_missing_device_and_an_empty_reader_hold_no_card(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert present(tmp_path / "none") is None
    assert present(tmp_path / "empty") is None


def test_the_card_that_is_still_in_does_not_count_as_the_next(tmp_path: Path) -> None:
    slot = tmp_path / "slot"
    slot.write_bytes(b"one")
    assert wait_for_card(slot, present(slot), timeout_s=0) is None


def test_another_card_in_its_place_does(tmp_path: Path) -> None:
    slot = tmp_path / "slot"
    slot.write_bytes(b"one")
    first = present(slot)
    (tmp_path / "other").write_bytes(b"two")
    (tmp_path / "other").rename(slot)
    assert wait_for_card(slot, first, timeout_s=0) == present(slot) != first


def test_the_same_card_counts_again_once_it_was_out(tmp_path: Path) -> None:
    slot = tmp_path / "slot"
    slot.write_bytes(b"one")
    card = present(slot)
    slot.rename(tmp_path / "hand")
    back = threading.Timer(0.7, (tmp_path / "hand").rename, (slot,))
    back.start()
    assert wait_for_card(slot, card, timeout_s=10) == card
    back.join()


def test_only_a_card_is_lacking_in_what_is_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "card").write_bytes(b"one")
    os.mkfifo(tmp_path / "pipe")
    assert is_empty(tmp_path / "none")
    assert is_empty(tmp_path / "empty")
    assert not is_empty(tmp_path / "card")
    for other in (tmp_path, tmp_path / "pipe", Path("/dev/null"), tmp_path / "card" / "below"):
        assert not is_empty(other)
