"""What is read from key files is what OpenSSH wrote, and nothing else gets through."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pibramble import openssh


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, a key, and a certificate for it."""
    folder = tmp_path_factory.mktemp("openssh")
    for name in ("ca", "key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a b", "-f", str(folder / name)], check=True
        )
    sign = ["ssh-keygen", "-q", "-s", "ca", "-I", "id", "-n", "one,two", "-h", "key.pub"]
    subprocess.run(sign, cwd=folder, check=True)
    return folder


def test_a_certificate_says_what_was_signed(made: Path) -> None:
    found = openssh.certificate((made / "key-cert.pub").read_text())
    assert found == openssh.Certificate(
        public=openssh.public_key((made / "key.pub").read_text()),
        authority=openssh.public_key((made / "ca.pub").read_text()),
        host=True,
        principals=("one", "two"),
        extensions=(),
        lasting=True,
    )


def test_a_private_key_names_its_public_half(made: Path) -> None:
    public = openssh.private_key_public((made / "key").read_text())
    assert openssh.public_line(public, "a b") == (made / "key.pub").read_text()


def test_a_certificate_that_ends_some_day_is_told_apart(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "copy")
    sign = ["ssh-keygen", "-q", "-s", "ca", "-I", "id", "-n", "one", "-V", "+1d", "key.pub"]
    subprocess.run(sign, cwd=folder, check=True)
    found = openssh.certificate((folder / "key-cert.pub").read_text())
    assert (found.lasting, found.host) == (False, False)
    assert "permit-pty" in found.extensions


READERS = (openssh.private_key_public, openssh.public_key, openssh.certificate)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for reader in READERS:
        with pytest.raises(openssh.FormatError):
            reader(text)


@given(data=st.data())
def test_damaged_files_are_read_or_refused(made: Path, data: st.DataObject) -> None:
    name, reader = data.draw(st.sampled_from(list(zip(("key", "key.pub", "key-cert.pub"), READERS, strict=True))))
    text = (made / name).read_text()
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 40)) :]
    with contextlib.suppress(openssh.FormatError):  # and nothing else
        reader(damaged)
