"""The record that every job leaves: what was run where, how it ended, and what it printed.

One folder a job: record.json, stdout, stderr. It is begun before the job starts, so that a job whose pibramble was
killed is known, too.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import attrs

from pibramble import paths
from pibramble.errors import UsageError
from pibramble.operate.remote import Stream

KEPT_JOBS = 200
KEPT_BYTES = 32 * 1024 * 1024  # of each output of a job; an SD card is small

_ID = re.compile(r"\d{8}-\d{6}-\d{3}[0-9a-f]{2}")


class State(StrEnum):
    """Where a job stands."""

    RUNNING = "running"
    ENDED = "ended"
    LOST = "lost"  # the pibramble that ran it was killed: nobody knows how it went on


@attrs.frozen
class JobRecord:
    """One job."""

    id: str  # when it began, and a random byte: sorts by time
    command: tuple[str, ...]  # the program and its arguments, as the person named them
    nodes: tuple[str, ...]  # in the order of their ranks
    ranks: int
    ranks_by_node: dict[str, int]
    environment: dict[str, str]  # what the person asked for besides
    mpich: str
    began: str  # ISO 8601, UTC
    pid: int  # of the pibramble that runs it
    pid_began: int  # clock ticks since boot (proc(5)): another process may get its number
    state: State = State.RUNNING
    ended: str = ""
    seconds: float | None = None
    exit_code: int | None = None
    reason: str = ""  # why it ended, for people; empty when all went well
    output_complete: bool = True  # false: the disk was full, or there was more than KEPT_BYTES


def new_id() -> str:
    """Return the id for a job that begins now: day, time, milliseconds, and a random byte."""
    began = datetime.now(UTC).astimezone()
    return f"{began:%Y%m%d-%H%M%S}-{began.microsecond // 1000:03}{os.urandom(1).hex()}"


def now() -> str:
    """Return the time as records have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def own_start() -> int:
    """Return when this process began, in clock ticks since boot."""
    return _process_start(os.getpid()) or 0


class Journal:
    """Writes one job's record while the job runs. What goes wrong with the disk never disturbs the job."""

    def __init__(self, jobs: Path, record: JobRecord, warn: Callable[[str], None]) -> None:
        """Begin the record in the folder of all jobs; `warn` is called once if it cannot be kept."""
        self.record = record
        self._folder = jobs / record.id
        self._warn = warn
        self._warned = False
        self.complained = False  # the program said something on its standard error
        self._files: dict[Stream, int] = {}
        self._room = dict.fromkeys(Stream, KEPT_BYTES)
        try:
            prune(jobs, keep=KEPT_JOBS - 1)
            paths.make_private(self._folder)
            for stream in Stream:
                file = self._folder / stream.value
                self._files[stream] = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
                paths.give_to_owner(file)
        except OSError as error:
            self._give_up(error)
        self._save()

    def write(self, stream: Stream, data: bytes) -> None:
        """Keep a piece of output."""
        self.complained |= stream is Stream.STDERR
        file = self._files.get(stream)
        if file is None:
            return
        kept = memoryview(data)[: self._room[stream]]
        self._room[stream] -= len(kept)
        if len(kept) < len(data):
            self.record = attrs.evolve(self.record, output_complete=False)
        try:
            while kept:
                kept = kept[os.write(file, kept) :]
        except OSError as error:
            self._give_up(error)

    def end(self, exit_code: int, reason: str, seconds: float) -> JobRecord:
        """Write how the job ended, and return the whole record."""
        self.record = attrs.evolve(
            self.record, state=State.ENDED, ended=now(), seconds=seconds, exit_code=exit_code, reason=reason
        )
        for file in self._files.values():
            os.close(file)
        self._files.clear()
        self._save()
        return self.record

    def _give_up(self, error: OSError) -> None:
        """Keep no more output; the record itself is small and may still fit."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()
        self.record = attrs.evolve(self.record, output_complete=False)
        self._complain(error)

    def _complain(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"the job goes on, but its record is incomplete: {error.strerror}: {self._folder}")

    def _save(self) -> None:
        from pibramble.serialise import plain

        text = json.dumps(plain(self.record), indent=1, ensure_ascii=False) + "\n"
        try:
            paths.write_private(self._folder / "record.json", text)
        except OSError as error:
            if self.record.state is State.ENDED:
                self._make_room(text, error)
            else:
                self._complain(error)

    def _make_room(self, text: str, error: OSError) -> None:
        """Write the end of the story on a full disk: how a job ended is worth more than what it printed last."""
        self.record = attrs.evolve(self.record, output_complete=False)
        text = text.replace('"output_complete": true', '"output_complete": false')
        try:
            for stream in Stream:
                file = self._folder / stream.value
                if file.exists():
                    os.truncate(file, max(0, file.stat().st_size - 64 * 1024))
            paths.write_private(self._folder / "record.json", text)
        except OSError:
            self._complain(error)


def load_all(jobs: Path) -> list[JobRecord]:
    """Return all records, the oldest first."""
    return [record for name in _ids(jobs) if (record := _load(jobs / name))]


def find(jobs: Path, wanted: str) -> JobRecord:
    """Return the record of the job with this id, or part of it, or `last`. Raises UsageError."""
    ids = _ids(jobs)
    if not ids:
        raise UsageError("no job has been run on this cluster yet", hint="`pibramble run PROGRAM` runs one")
    matching = ids[-1:] if wanted == "last" else [name for name in ids if wanted in name]
    if len(matching) > 1:
        raise UsageError(f"`{wanted}` is {len(matching)} jobs", hint="\n".join(matching[-10:]))
    record = _load(jobs / matching[0]) if matching else None
    if record is None:
        raise UsageError(f"there is no record of a job `{wanted}`", hint="`pibramble jobs` lists those there are")
    return record


def output(jobs: Path, job: str, stream: Stream) -> Iterator[bytes]:
    """Yield what a job printed, in pieces."""
    try:
        with (jobs / job / stream.value).open("rb") as file:
            while chunk := file.read(64 * 1024):
                yield chunk
    except FileNotFoundError:
        return


def prune(jobs: Path, *, keep: int) -> None:
    """Delete the oldest records, so that `keep` are left; jobs that are running stay."""
    ids = _ids(jobs)
    for name in ids[: max(0, len(ids) - keep)]:
        record = _load(jobs / name)
        if record is None or record.state is not State.RUNNING:
            import shutil

            shutil.rmtree(jobs / name, ignore_errors=True)


def _ids(jobs: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(jobs) if _ID.fullmatch(entry.name))
    except OSError:
        return []


def _load(folder: Path) -> JobRecord | None:
    try:
        data: dict[str, Any] = json.loads((folder / "record.json").read_text(encoding="utf-8"))
        known = {field.name: data[field.name] for field in attrs.fields(JobRecord) if field.name in data}
        tuples = {name: tuple(known[name]) for name in ("command", "nodes")}
        record = JobRecord(**{**known, **tuples, "state": State(known["state"])})
    except (OSError, ValueError, KeyError, TypeError):  # half written by a full disk, or by another version
        return None
    if record.state is State.RUNNING and _process_start(record.pid) != record.pid_began:
        return attrs.evolve(record, state=State.LOST, reason="the pibramble that ran it was killed")
    return record


def _process_start(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])


def local_time(record: JobRecord) -> str:
    """Return when the job began, in local time, for people."""
    return f"{datetime.fromisoformat(record.began).astimezone():%Y-%m-%d %H:%M:%S}"


def duration_s(record: JobRecord) -> float | None:
    """Return how long the job took, or has been running; None if nobody knows."""
    if record.state is State.RUNNING:
        return time.time() - datetime.fromisoformat(record.began).timestamp()
    return record.seconds
