"""What is not as on a board: the list, and the kernel's command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pibramble.plan.model import Plan
from pibramble.targets.emulator.differences import DIFFERENCES, command_line
from pibramble.targets.emulator.machines import machine_for
from tests.unit.targets.emulator.desk import pibramble

CARD = "console=tty0 console=ttyAMA0,115200 kgdboc=ttyAMA0,115200 rw fsck.repair=yes root=PARTUUID=cb4ffa86-02 rootwait"


def test_the_cards_own_words_stay_and_the_console_moves(plan: Plan) -> None:
    words = command_line(CARD, machine_for(plan.head)).split()
    own = [word for word in CARD.split() if not re.match("console|kgdboc", word)]
    assert [word for word in words if word in own] == own
    assert [word for word in words if "console" in word or "kgdb" in word] == ["console=ttyS1,115200"]
    assert {"panic=-1", "rdinit=/pibramble/init", "initcall_blacklist=bcm2835_power_driver_init"} <= set(words)
    assert len(words) == len(own) + 4


def test_a_machine_that_is_no_board_has_nothing_to_leave_out(plan: Plan) -> None:
    words = command_line(CARD, machine_for(plan.node("two"))).split()
    assert words[0] == "console=ttyS0,115200"
    assert not [word for word in words if "bcm2835" in word]


def test_a_word_that_only_looks_like_a_console_stays(plan: Plan) -> None:
    assert "noconsole=1" in command_line("noconsole=1 root=x", machine_for(plan.head)).split()


def test_the_command_lists_them_all() -> None:
    done = pibramble("emulator", "differences")
    assert done.returncode == 0, done.stderr
    for difference in DIFFERENCES:
        assert f"{difference.subject}\n  on the board  {difference.board}\n  emulated      {difference.emulator}\n" in (
            done.stdout
        )


def test_the_command_lists_them_as_json() -> None:
    said = json.loads(pibramble("emulator", "differences", "--json").stdout)
    assert [(entry["subject"], entry["board"], entry["emulator"]) for entry in said] == [
        (difference.subject, difference.board, difference.emulator) for difference in DIFFERENCES
    ]


def test_the_page_has_the_same_list() -> None:
    page = (Path(__file__).parents[4] / "docs/emulator.md").read_text(encoding="utf-8")
    table = page.partition("| subject | on the board | emulated |\n| --- | --- | --- |\n")[2].partition("\n\n")[0]
    assert table.splitlines() == [
        f"| {difference.subject} | {difference.board} | {difference.emulator} |" for difference in DIFFERENCES
    ]
