"""Copies through real sshd's. All nodes here share one disk; the lab's tests copy to nodes with disks of their own."""

from __future__ import annotations

import io
import os
import signal
import tarfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pibramble.errors import PibrambleError, UsageError
from pibramble.operate.copy import Place, download, place, upload
from pibramble.operate.execute import Interrupted
from pibramble.operate.outcome import Outcome
from pibramble.operate.pack import gather
from pibramble.operate.unpack import HostileError, Unpacker
from pibramble.progress import SilentProgress
from tests.unit.operate.conftest import Nodes

TWO = ("zero1", "zero2")
SILENT = SilentProgress()


def send(nodes: Nodes, names: Sequence[str], sources: Sequence[Path], to: str, *, into: bool = False) -> list[Outcome]:
    return list(upload(nodes, names, gather(sources), to, into=into, progress=SILENT).values())


def fetch(  # noqa: PLR0913 (as download)
    nodes: Nodes, names: Sequence[str], sources: Sequence[str], to: Path, *, into: bool = False, apart: bool = False
) -> list[Outcome]:
    return list(download(nodes, names, sources, to, into=into, apart=apart, progress=SILENT).values())


def tree(folder: Path) -> dict[str, str]:
    """Return what is in a folder: name -> mode and content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            found[name] = f"{path.stat().st_mode & 0o7777:o}/"
        else:
            found[name] = f"{path.stat().st_mode & 0o7777:o} {path.read_bytes()!r}"
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with what folders have in them."""
    folder = tmp_path / "here" / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "run me").write_bytes(b"#!/bin/sh\n")
    (folder / "src" / "run me").chmod(0o750)
    (folder / ".hidden").write_bytes(b"")
    (folder / "-dash").write_bytes(b"-\n")
    (folder / "q'uo\"te\nline").write_bytes(bytes(range(256)) * 300)
    (folder / "link").symlink_to("src/run me")
    (folder / "empty").mkdir(mode=0o700)
    return folder


# To the nodes


def test_a_file_gets_the_destination_s_name(nodes: Nodes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    source.chmod(0o640)
    (tmp_path / "there").mkdir()
    (outcome,) = send(nodes, ["zero1"], [source], str(tmp_path / "there" / "new name"))
    assert (outcome.problem, outcome.code) == ("", 0)
    assert tree(tmp_path / "there") == {"new name": "640 b'content'"}


def test_a_file_goes_into_a_folder_that_is_there(nodes: Nodes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    (tmp_path / "there").mkdir()
    send(nodes, ["zero1"], [source], str(tmp_path / "there"))
    assert list(tree(tmp_path / "there")) == ["source"]


def test_a_folder_arrives_as_it_is(nodes: Nodes, tmp_path: Path, project: Path) -> None:
    (outcome,) = send(nodes, ["zero1"], [project], str(tmp_path / "new" / "deep"), into=True)
    assert outcome.problem == ""
    assert tree(tmp_path / "new" / "deep" / "project") == tree(project)


def test_a_folder_that_is_there_is_joined_file_by_file(nodes: Nodes, tmp_path: Path, project: Path) -> None:
    there = tmp_path / "there"
    (there / "project" / "src").mkdir(parents=True)
    (there / "project" / "src" / "run me").write_bytes(b"old")
    (there / "project" / "src" / "theirs").write_bytes(b"kept")
    (outcome,) = send(nodes, ["zero1"], [project], str(there))
    assert outcome.problem == ""
    joined = tree(there / "project")
    assert joined.pop("src/theirs") == "644 b'kept'"
    assert {name: said for name, said in joined.items() if name != "src"} == {
        name: said for name, said in tree(project).items() if name != "src"
    }
    assert list(there.iterdir()) == [there / "project"]


@pytest.mark.parametrize(
    ("destination", "says"),
    [
        ("{there}/missing/name", "no such folder"),
        ("{there}/file/name", "no such folder"),
        ("/proc/name", "/proc/: No such file or directory"),
    ],
)
def test_a_destination_that_cannot_be_is_told(nodes: Nodes, tmp_path: Path, destination: str, says: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    (tmp_path / "file").write_bytes(b"")
    (outcome,) = send(nodes, ["zero1"], [source], destination.format(there=tmp_path))
    assert outcome.problem.startswith("not copied: ")
    assert says in outcome.problem
    assert outcome.code == 1


def test_what_cannot_fit_is_not_begun(nodes: Nodes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(8_000_000_000_000)
    (outcome,) = send(nodes, ["zero1"], [source], f"{tmp_path}/")
    assert "7812500000 KiB are needed" in outcome.problem
    assert outcome.seconds < 5


def test_a_folder_is_not_overwritten_by_a_file_nor_a_file_by_a_folder(
    nodes: Nodes, tmp_path: Path, project: Path
) -> None:
    there = tmp_path / "there"
    (there / "source").mkdir(parents=True)
    (there / "project").write_bytes(b"mine")
    source = tmp_path / "source"
    source.write_bytes(b"content")
    before = tree(there)
    for thing in (source, project):
        (outcome,) = send(nodes, ["zero1"], [thing], str(there))
        assert "cannot overwrite" in outcome.problem
        assert tree(there) == before


def test_a_source_that_changes_while_it_is_read_breaks_the_copy_off(nodes: Nodes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 1_000_000)
    parcel = gather([source])
    source.write_bytes(b"x" * 10)
    (tmp_path / "there").mkdir()
    with pytest.raises(PibrambleError, match="nothing was copied"):
        upload(nodes, ["zero1"], parcel, str(tmp_path / "there"), into=True, progress=SILENT)
    assert tree(tmp_path / "there") == {}


def test_ctrl_c_leaves_no_scratch_files_on_the_node(nodes: Nodes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(3_000_000_000)  # a hole: nothing of it is on the disk
    there = tmp_path / "there"
    there.mkdir()

    def interrupt() -> None:
        while not list(there.glob(".pibramble-*/source")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(Interrupted):
        send(nodes, ["zero1"], [source], str(there))
    thread.join()
    assert tree(there) == {}


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_told_to_an_ordinary_user(nodes: Nodes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    (outcome,) = send(nodes, ["zero1"], [source], "/etc/")
    assert "Permission denied" in outcome.problem


def test_a_node_that_is_off_is_named_and_the_other_gets_it(frail: Nodes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    frail.kill("frail2")
    there, unreachable = send(frail, ["frail1", "frail2"], [source], str(tmp_path / "there"), into=True)
    assert there.problem == ""
    assert unreachable.problem.startswith("unreachable: ")
    assert list(tree(tmp_path / "there")) == ["source"]


# What is refused before anything is sent


def test_sources_that_cannot_be_sent_are_refused_first(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "same").touch()
    (tmp_path / "b" / "same").touch()
    for sources, says in [
        ([tmp_path / "missing"], "No such file or directory"),
        ([tmp_path / "dangling"], "No such file or directory"),
        ([tmp_path / "fifo"], "is no file, folder or link"),
        ([tmp_path / "a" / "same", tmp_path / "b" / "same"], "would both become same"),
        ([Path("/")], "cannot be copied"),
    ]:
        with pytest.raises(UsageError, match=says):
            gather(sources)


def test_a_source_that_is_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("real")
    parcel = gather([tmp_path / "link"])
    assert [(entry.name, parcel.size) for entry in parcel.entries] == [("link", 5)]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("data.csv", Place(None, "data.csv")),
        ("zero1:data.csv", Place("zero1", "data.csv")),
        ("zero[1-3],aplus:/srv/a:b", Place("zero[1-3],aplus", "/srv/a:b")),
        ("@workers:", Place("@workers", "")),
        ("zero1:~/in/", Place("zero1", "in/")),
        ("zero1:~", Place("zero1", "")),
        ("./zero1:file", Place(None, "./zero1:file")),
        (":odd", Place(None, ":odd")),
    ],
)
def test_places_are_read_as_scp_reads_them(text: str, meant: Place) -> None:
    assert place(text) == meant


# From the nodes


def test_each_node_s_things_come_into_a_folder_of_its_own(nodes: Nodes, tmp_path: Path, project: Path) -> None:
    outcomes = fetch(nodes, TWO, [str(project)], tmp_path / "back", apart=True)
    assert [outcome.problem for outcome in outcomes] == ["", ""]
    for node in TWO:
        assert tree(tmp_path / "back" / node / "project") == tree(project)


def test_one_file_from_one_node_gets_the_destination_s_name(nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "it's there").write_bytes(b"content")
    (outcome,) = fetch(nodes, ["zero1"], [str(tmp_path / "it's there")], tmp_path / "here")
    assert outcome.problem == ""
    assert (tmp_path / "here").read_bytes() == b"content"


def test_patterns_are_expanded_on_the_node_and_nothing_else_is(nodes: Nodes, tmp_path: Path) -> None:
    there = tmp_path / "with blank"
    there.mkdir()
    for name in ("a.log", "b 2.log", "c.txt", "[x]"):
        (there / name).write_bytes(name.encode())
    (outcome,) = fetch(nodes, ["zero1"], [f"{there}/*.log", f"{there}/[x]"], tmp_path / "here", into=True)
    assert outcome.problem == ""
    assert list(tree(tmp_path / "here")) == ["[x]", "a.log", "b 2.log"]
    (outcome,) = fetch(nodes, ["zero1"], [f"$(touch {tmp_path}/pwned)"], tmp_path / "here", into=True)
    assert "no such file or folder" in outcome.problem
    assert not (tmp_path / "pwned").exists()


def test_a_missing_source_is_told_and_nothing_is_left(nodes: Nodes, tmp_path: Path) -> None:
    (outcome,) = fetch(nodes, ["zero1"], ["/nowhere/at all"], tmp_path / "here", apart=True)
    assert outcome.problem == "not copied: /nowhere/at all: no such file or folder"
    assert tree(tmp_path) == {}


def test_a_link_on_the_node_is_followed_when_it_is_named(nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"content")
    (tmp_path / "link").symlink_to("real")
    fetch(nodes, ["zero1"], [str(tmp_path / "link")], tmp_path / "here")
    assert not (tmp_path / "here").is_symlink()
    assert (tmp_path / "here").read_bytes() == b"content"


def test_a_folder_here_is_joined_and_the_old_stays_when_the_new_is_not_whole(nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "there" / "d").mkdir(parents=True)
    (tmp_path / "there" / "d" / "new").write_bytes(b"new")
    (tmp_path / "here" / "d").mkdir(parents=True)
    (tmp_path / "here" / "d" / "old").write_bytes(b"old")
    (outcome,) = fetch(nodes, ["zero1"], [str(tmp_path / "there" / "d")], tmp_path / "here", into=True)
    assert outcome.problem == ""
    assert [name for name in tree(tmp_path / "here") if "/" in name] == ["d/new", "d/old"]
    (tmp_path / "here" / "d" / "new").unlink()
    (tmp_path / "here" / "d" / "new").mkdir()
    (outcome,) = fetch(nodes, ["zero1"], [str(tmp_path / "there" / "d")], tmp_path / "here", into=True)
    assert outcome.problem == f"not copied: {tmp_path}/here/d/new: a folder is in the way"


def test_links_that_lead_out_are_left_out_and_named(nodes: Nodes, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "inside").symlink_to("file")
    (there / "absolute").symlink_to("/etc/passwd")
    (there / "upwards").symlink_to("../secret")
    (there / "file").write_bytes(b"content")
    (outcome,) = fetch(nodes, ["zero1"], [str(there)], tmp_path / "here")
    assert list(tree(tmp_path / "here")) == ["file", "inside"]
    assert "there/absolute" in outcome.problem
    assert "there/upwards" in outcome.problem
    assert outcome.code == 1


def archive(*members: tuple[str, bytes, str]) -> bytes:
    """Return a tar of (name, type, link target); a file's content is its name."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kind, target, 0o6777
            content = name.encode() if kind == tarfile.REGTYPE else b""
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


FILE, LINK, HARD, DEVICE = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE


@pytest.mark.parametrize("name", ["/etc/passwd", "../out", "a/../../out", "./../out"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    unpacker = Unpacker(tmp_path)
    unpacker.feed(archive((name, FILE, "")))
    with pytest.raises(HostileError, match="wants to be at"):
        unpacker.finish()
    unpacker.close()
    assert tree(tmp_path) == {}


def test_a_link_cannot_be_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    unpacker = Unpacker(tmp_path)
    unpacker.feed(archive(("d/link", LINK, str(tmp_path / "victim")), ("d/link/file", FILE, "")))
    unpacker.finish()
    unpacker.place("d", tmp_path / "d")
    unpacker.close()
    assert list(tree(tmp_path / "victim")) == []
    assert unpacker.left_out == ["d/link"]


def test_a_link_of_an_earlier_copy_cannot_be_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "d").symlink_to("victim")
    unpacker = Unpacker(tmp_path)
    unpacker.feed(archive(("d/file", FILE, "")))
    unpacker.finish()
    with pytest.raises(NotADirectoryError):
        unpacker.place("d", tmp_path / "d")
    unpacker.close()
    assert tree(tmp_path / "victim") == {}


def test_devices_and_hard_links_are_left_out_and_set_user_id_is_taken_off(tmp_path: Path) -> None:
    unpacker = Unpacker(tmp_path)
    unpacker.feed(archive(("d/f", FILE, ""), ("d/null", DEVICE, ""), ("d/hard", HARD, "/etc/passwd")))
    unpacker.finish()
    unpacker.place("d", tmp_path / "d")
    unpacker.close()
    assert unpacker.left_out == ["d/null", "d/hard"]
    assert tree(tmp_path / "d") == {"f": "777 b'd/f'"}


def test_garbage_and_a_broken_off_archive_are_told(tmp_path: Path) -> None:
    for said in (b"motd\n" * 1000, archive(("d/f", FILE, ""))[:700]):
        unpacker = Unpacker(tmp_path)
        unpacker.feed(said)
        with pytest.raises(PibrambleError, match="is no archive"):
            unpacker.finish()
        unpacker.close()
        assert tree(tmp_path) == {}


def test_a_disk_that_is_full_here_is_told_and_ends_the_sending(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pibramble.operate.unpack._write", full)
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(20_000_000_000)
    (outcome,) = fetch(nodes, ["zero1"], [str(source)], tmp_path / "here", apart=True)
    assert outcome.problem == "not copied: No space left on device"
    assert outcome.seconds < 10
    assert tree(tmp_path / "here" / "zero1") == {}
