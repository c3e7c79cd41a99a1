"""What apt says of a mirror before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibramble.cards import archive
from pibramble.cards.archive import ArchiveError
from tests.unit.cards.mirrors import Mirror, make_mirror


@pytest.fixture(scope="module")
def _keys(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    return make_mirror(tmp_path_factory.mktemp("mirror"))


@pytest.fixture
def mirror(_keys: Mirror, tmp_path: Path) -> Mirror:
    made = Mirror(tmp_path / "debian", _keys.gnupg, _keys.keyring)
    made.publish("trixie", "trixie")
    return made


def test_everything_that_will_be_installed_is_known_before(mirror: Mirror, tmp_path: Path) -> None:
    found = archive.ask([mirror.source()], "armel", ["mpich"], tmp_path / "apt")
    assert found.packages == dict.fromkeys(("apt", "base-files", "libmpich12", "mpich"), "4.2.1")
    assert found.installed_bytes == 4 * 1000 * 1024
    assert found.time_s == 1_789_199_741  # the index's date
    assert found.remarks == ()


def test_a_package_that_does_not_exist(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot provide the packages") as caught:
        archive.ask([mirror.source()], "armel", ["mpich", "mpitsch"], tmp_path / "apt")
    assert "mpitsch" in caught.value.hint


def test_a_mirror_that_is_not_there(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="forky cannot be used"):
        archive.ask([mirror.source("forky")], "armel", ["mpich"], tmp_path / "apt")


def test_a_mirror_that_somebody_else_signed(
    mirror: Mirror, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = make_mirror(tmp_path_factory.mktemp("stranger"))
    source = Mirror(mirror.folder, stranger.gnupg, stranger.keyring).source()
    with pytest.raises(ArchiveError) as caught:
        archive.ask([source], "armel", ["mpich"], tmp_path / "apt")
    assert "debian-archive-keyring" in caught.value.hint


def test_why_a_signature_could_not_be_looked_at_is_not_taken_for_an_old_key() -> None:
    reason = "Couldn't create temporary file /tmp/apt.conf.OoulGH for passing config to apt-key"
    said = archive.complaint(
        f"W: GPG error: http://mirror trixie InRelease: {reason}\n"
        "E: The repository 'http://mirror trixie InRelease' is not signed.\n"
    )
    assert said.startswith("The repository")
    assert said.endswith(reason)


def test_updates_that_are_missing_are_done_without_and_said(mirror: Mirror, tmp_path: Path) -> None:
    sources = [mirror.source(), mirror.source("trixie-updates", optional=True)]
    found = archive.ask(sources, "armel", ["mpich"], tmp_path / "apt")
    assert [source.suite for source in found.sources] == ["trixie"]
    assert found.remarks[0].startswith("made without trixie-updates: ")


def test_a_release_that_contradicts_itself_is_read_by_its_other_name(mirror: Mirror, tmp_path: Path) -> None:
    mirror.spoil("trixie")
    mirror.publish("stable", "trixie", version="4.2.0")
    found = archive.ask([mirror.source(alias="stable")], "armel", ["mpich"], tmp_path / "apt")
    assert found.packages["mpich"] == "4.2.0"
    assert "made from the suite stable" in found.remarks[0]


def test_another_release_of_that_name_is_not_taken(mirror: Mirror, tmp_path: Path) -> None:
    mirror.spoil("trixie")
    mirror.publish("stable", "forky")
    with pytest.raises(ArchiveError, match="trixie cannot be used"):
        archive.ask([mirror.source(alias="stable")], "armel", ["mpich"], tmp_path / "apt")


def test_a_release_whose_packages_are_not_there_is_read_by_its_other_name(mirror: Mirror, tmp_path: Path) -> None:
    mirror.publish("stable", "trixie", version="4.2.0")
    sources = [mirror.source(alias="stable"), mirror.source("trixie-updates", optional=True)]
    found = archive.ask(sources, "armel", ["mpich"], tmp_path / "apt", lacking=["libmpich12", "apt"])
    assert [source.suite for source in found.sources] == ["stable"]
    assert found.packages["mpich"] == "4.2.0"
    assert "trixie of this mirror names packages that it has not got today, such as libmpich12" in found.remarks[0]


def test_without_another_name_the_packages_that_are_not_there_are_told(mirror: Mirror, tmp_path: Path) -> None:
    mirror.publish("stable", "forky")
    lacking = ["libmpich12", "apt", "dash", "sed", "tar", "zlib1g"]
    for source in (mirror.source(), mirror.source(alias="stable")):
        with pytest.raises(
            ArchiveError, match=r"index of trixie armel names: libmpich12, apt, dash, sed and 2 more"
        ) as said:
            archive.ask([source], "armel", ["mpich"], tmp_path / "apt", lacking=lacking)
        assert "--mirror ADDRESS" in said.value.hint
