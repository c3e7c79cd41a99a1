"""Job records: begun before the job, ended after it, and no trouble with the disk ever disturbs a job."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

from pibramble.errors import UsageError
from pibramble.operate import record
from pibramble.operate.record import JobRecord, Journal, State, find, load_all, new_id, now, own_start
from pibramble.operate.remote import Stream


def job(name: str = "", **more: object) -> JobRecord:
    fields: dict[str, object] = {
        "id": name or new_id(),
        "command": ("cpi.c", "10"),
        "nodes": ("zero1", "zero2"),
        "ranks": 2,
        "ranks_by_node": {"zero1": 1, "zero2": 1},
        "environment": {},
        "mpich": "5.0.2",
        "began": now(),
        "pid": os.getpid(),
        "pid_began": own_start(),
    }
    return JobRecord(**{**fields, **more})  # type: ignore[arg-type]


@pytest.fixture
def said() -> list[str]:
    return []


def test_a_record_is_there_while_the_job_runs_and_whole_after_it(tmp_path: Path, said: list[str]) -> None:
    journal = Journal(tmp_path, job(), said.append)
    assert [known.state for known in load_all(tmp_path)] == [State.RUNNING]
    journal.write(Stream.STDOUT, b"pi is ")
    journal.write(Stream.STDOUT, b"3\n")
    journal.write(Stream.STDERR, b"a warning\n")
    ended = journal.end(3, "exit code 3", 1.5)
    assert load_all(tmp_path) == [ended]
    assert (ended.state, ended.exit_code, ended.seconds, ended.output_complete) == (State.ENDED, 3, 1.5, True)
    assert b"".join(record.output(tmp_path, ended.id, Stream.STDOUT)) == b"pi is 3\n"
    assert b"".join(record.output(tmp_path, ended.id, Stream.STDERR)) == b"a warning\n"
    assert said == []


def test_records_are_the_person_s_own(tmp_path: Path, said: list[str]) -> None:
    journal = Journal(tmp_path / "jobs", job(), said.append)
    folder = tmp_path / "jobs" / journal.record.id
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


def test_a_job_whose_pibramble_was_killed_is_lost_and_not_running_for_ever(tmp_path: Path) -> None:
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_record import job, Journal
Journal(Path({str(tmp_path)!r}), job(), print)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    (lost,) = load_all(tmp_path)
    assert lost.state is State.LOST
    assert "killed" in lost.reason


def test_a_process_that_got_the_number_later_is_not_taken_for_it(tmp_path: Path, said: list[str]) -> None:
    Journal(tmp_path, job(pid_began=own_start() + 1), said.append)
    assert load_all(tmp_path)[0].state is State.LOST


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """Let no file of ours grow beyond `size`: write(2) fails then, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_fills_up_costs_output_and_one_warning(tmp_path: Path, said: list[str]) -> None:
    journal = Journal(tmp_path, job(), said.append)
    with full_after(10_000):
        for _ in range(10):
            journal.write(Stream.STDOUT, b"x" * 4000)
        ended = journal.end(0, "", 1.0)
    assert len(said) == 1
    assert "the job goes on" in said[0]
    assert not ended.output_complete
    (kept,) = load_all(tmp_path)
    assert (kept.state, kept.exit_code, kept.output_complete) == (State.ENDED, 0, False)


def test_a_folder_that_cannot_be_written_costs_the_record_only(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "jobs").write_text("in the way")
    journal = Journal(tmp_path / "jobs", job(), said.append)
    journal.write(Stream.STDOUT, b"x")
    assert journal.end(0, "", 1.0).exit_code == 0
    assert len(said) == 1


def test_only_so_much_output_is_kept(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "KEPT_BYTES", 1000)
    journal = Journal(tmp_path, job(), said.append)
    for _ in range(3):
        journal.write(Stream.STDOUT, b"y" * 600)
    ended = journal.end(0, "", 1.0)
    assert not ended.output_complete
    assert (tmp_path / ended.id / "stdout").stat().st_size == 1000
    assert said == []


def test_the_oldest_go_but_not_what_still_runs(tmp_path: Path, said: list[str]) -> None:
    running = Journal(tmp_path, job("20260101-000000-00000"), said.append).record.id
    for number in range(1, 6):
        Journal(tmp_path, job(f"20260101-00000{number}-00000"), said.append).end(0, "", 1.0)
    (tmp_path / "notes").mkdir()
    record.prune(tmp_path, keep=2)
    assert [known.id for known in load_all(tmp_path)] == [running, "20260101-000004-00000", "20260101-000005-00000"]
    assert (tmp_path / "notes").exists()


def test_a_record_that_cannot_be_read_is_left_out(tmp_path: Path, said: list[str]) -> None:
    good = Journal(tmp_path, job(), said.append).end(0, "", 1.0)
    broken = tmp_path / "20260101-000000-00000"
    broken.mkdir()
    (broken / "record.json").write_text('{"id": "2026')
    assert load_all(tmp_path) == [good]


def test_jobs_are_found_by_part_of_their_id_or_as_the_last(tmp_path: Path, said: list[str]) -> None:
    with pytest.raises(UsageError, match="no job has been run"):
        find(tmp_path, "last")
    names = ["20260101-000001-000aa", "20260101-000002-000bb"]
    for name in names:
        Journal(tmp_path, job(name), said.append).end(0, "", 1.0)
    assert find(tmp_path, "last").id == names[1]
    assert find(tmp_path, "000aa").id == names[0]
    with pytest.raises(UsageError, match="2 jobs"):
        find(tmp_path, "20260101")
    with pytest.raises(UsageError, match="no record"):
        find(tmp_path, "000cc")


def test_a_record_of_a_later_pibramble_is_read_as_far_as_it_is_known(tmp_path: Path, said: list[str]) -> None:
    known = Journal(tmp_path, job(), said.append).end(0, "", 1.0)
    file = tmp_path / known.id / "record.json"
    file.write_text(file.read_text().replace("{\n", '{\n "colour": "red",\n', 1))
    assert load_all(tmp_path) == [attrs.evolve(known)]
