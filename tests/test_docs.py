"""The documentation tells the truth: every command in it is run, and every line it shows is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import transcripts


def name(page: Path) -> str:
    return str(page.relative_to(transcripts.REPO))


def with_marks(page: Path) -> object:
    needs_lab = any(block.needs_lab for block in transcripts.blocks(page))
    return pytest.param(page, id=name(page), marks=[pytest.mark.lab] if needs_lab else [])


def skeleton(line: str) -> str:
    """Return the line without what differs from run to run: addresses, keys, jobs, days, numbers, padding, rules."""
    line = re.sub(r"\x1b\[[0-9;]*m", "", line)
    line = re.sub(r"\bid [0-9a-f]{8}\b", "id ID", line)
    line = re.sub(r"\b\d{8}-\d{6}-[0-9a-f]{5}\b", "JOB", line)
    line = re.sub(r"\b(trixie-[a-z0-9-]+)-[0-9a-f]{12}\b", r"\1-KEY", line)
    line = re.sub(r"\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b", "MAC", line)
    line = re.sub(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b", "DAY", line)
    line = re.sub(r"\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b", "MONTH", line)
    line = re.sub(r"\d+(\.\d+)?(e[-+]\d+)?", "#", line)
    return " ".join(re.sub(r"[─━-]{3,}", "---", line).split())


@pytest.mark.parametrize("page", [with_marks(page) for page in transcripts.pages()])
def test_the_commands_of_the_page_do_what_it_says(page: Path, tmp_path: Path) -> None:
    stage = transcripts.Stage(tmp_path)
    try:
        for block in transcripts.blocks(page):
            for command in block.commands if block.runs else ():
                code, printed = stage.run(block, command)
                where = f"{name(page)}:{command.line}: $ {command.text}\n{printed}"
                assert code == command.exit_code, where
                lines = {skeleton(line) for line in printed.splitlines()} | {transcripts.LEFT_OUT}
                for shown in command.shown:
                    assert not shown or skeleton(shown) in lines, f"never printed: {shown}\n{where}"
    finally:
        stage.clear()


@pytest.mark.parametrize("page", transcripts.pages(), ids=name)
def test_links_between_the_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{name(page)} links to {target}"


def test_a_transcript_that_lies_is_found_out(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Look:\n\n<!-- exit 3 -->\n```console\n$ echo 12 birds; exit 3\n99   birds\nno bird\n```\n")
    [block] = transcripts.blocks(page)
    [command] = block.commands
    code, printed = transcripts.Stage(tmp_path).run(block, command)
    assert (command.exit_code, code) == (3, 3)
    assert [skeleton(line) == skeleton(printed.strip()) for line in command.shown] == [True, False]
    transcripts.rewrite(page)
    assert "$ echo 12 birds; exit 3\n12 birds\n```\n" in page.read_text()


def test_a_mark_that_means_nothing_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- exti 3 -->\n```console\n$ true\n```\n")
    with pytest.raises(ValueError, match="exti 3"):
        list(transcripts.blocks(page))
