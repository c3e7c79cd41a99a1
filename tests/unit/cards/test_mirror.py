"""Which mirror a machine uses, read from its own apt sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibramble.cards import mirror
from pibramble.errors import MissingError, UsageError

DEB822 = """\
# the machine's own
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main
 contrib
Signed-By: {keyring}

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: {keyring}
"""


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "keys.gpg").touch()
    return tmp_path


def sources(apt: Path, address: str = "") -> tuple[mirror.Source, ...]:
    return mirror.sources("trixie", ["main", "non-free-firmware"], address, alias="stable", apt_folder=apt)


def test_the_newer_form(apt: Path) -> None:
    text = DEB822.format(keyring=apt / "keys.gpg")
    (apt / "sources.list.d" / "debian.sources").write_text(text)
    main, updates, security = sources(apt)
    assert (main.uri, main.suite, main.optional, main.alias) == (
        "http://mirror.example/debian",
        "trixie",
        False,
        "stable",
    )
    assert (updates.suite, updates.optional) == ("trixie-updates", True)
    assert (security.uri, security.suite) == ("http://mirror.example/debian-security", "trixie-security")
    assert main.keyring == apt / "keys.gpg"
    assert main.components == ("main", "non-free-firmware")


def test_the_older_form(apt: Path) -> None:
    (apt / "sources.list").write_text(
        "deb-src http://other.example/debian bookworm main\n"
        f"deb [arch=amd64 signed-by={apt}/keys.gpg] https://old.example/debian bookworm main # ours\n"
    )
    main, _, security = sources(apt)
    assert main.uri == "https://old.example/debian"
    assert security.uri == "https://old.example/debian-security"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "deb https://packages.example/apt bookworm main",  # somebody else's, though its suite has Debian's name
        "deb http://ubuntu.example/ubuntu noble main universe",
        "deb http://mirror.example/debian-security bookworm-security main",
    ],
)
def test_a_machine_without_a_mirror_of_debian_is_told_how_to_name_one(apt: Path, line: str) -> None:
    (apt / "sources.list").write_text(f"{line}\n")
    with pytest.raises(MissingError, match="name no mirror of Debian") as caught:
        sources(apt)
    assert "--mirror" in caught.value.hint


def test_a_source_that_is_switched_off_is_none(apt: Path) -> None:
    text = DEB822.format(keyring=apt / "keys.gpg").replace("Types: deb\n", "Types: deb\nEnabled: no\n")
    (apt / "sources.list.d" / "debian.sources").write_text(text.replace("Types: deb deb-src", "Types: deb-src"))
    with pytest.raises(MissingError):
        sources(apt)


def test_a_mirror_that_is_given_is_used(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "KEYRINGS", (apt / "keys.gpg",))
    main, _, security = sources(apt, "https://given.example/debian/")
    assert main.uri == "https://given.example/debian"
    assert security.uri == "https://given.example/debian-security"


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(UsageError, match="is no address of a mirror"):
        sources(Path("/nowhere"), "ftp.debian.org")


def test_missing_keys_are_told(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "KEYRINGS", (apt / "none.gpg",))
    with pytest.raises(MissingError) as caught:
        sources(apt, "https://given.example/debian")
    assert "debian-archive-keyring" in caught.value.hint
