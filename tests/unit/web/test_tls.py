"""Certificates, judged by openssl."""

from __future__ import annotations

import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pibramble.errors import UsageError
from pibramble.web import tls
from pibramble.web.listen import Listen

NAMES = ("head", "head.local", "localhost", "192.168.7.1", "127.0.0.1", "fd00::1")


def openssl(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *argv], capture_output=True, text=True, timeout=30, check=False)


def verdict(folder: Path, *more: str) -> str:
    chain, authority = str(folder / "server.crt"), str(folder / "authority.crt")
    done = openssl("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", authority, *more, chain)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    tls.ensure(folder, NAMES)
    return folder


@pytest.mark.parametrize(
    "host", [*(f"-verify_hostname={n}" for n in NAMES[:3]), *(f"-verify_ip={n}" for n in NAMES[3:])]
)
def test_the_certificate_is_good_for_every_name_and_address(made: Path, host: str) -> None:
    option, _, value = host.partition("=")
    assert verdict(made, option, value).endswith("OK\n")


def test_it_is_good_for_no_other(made: Path) -> None:
    assert "hostname mismatch" in verdict(made, "-verify_hostname", "evil.example")


def test_keys_are_private(made: Path) -> None:
    for name in ("authority.key", "server.key"):
        assert stat.S_IMODE((made / name).stat().st_mode) == 0o600
    assert not list(made.glob(".making-*"))


def test_the_authority_can_vouch_for_nobody_outside(tmp_path: Path) -> None:
    """A stolen authority's key signs for a bank: no phone that trusts the authority believes it."""
    tls.ensure(tmp_path, ("head",))
    config = tmp_path / "evil.cnf"
    config.write_text("[req]\ndistinguished_name=n\nprompt=no\n[n]\nCN=x\n[x]\nsubjectAltName=DNS:bank.example\n")
    authority, key = str(tmp_path / "authority.crt"), str(tmp_path / "authority.key")
    evil, evil_key = str(tmp_path / "evil.crt"), str(tmp_path / "evil.key")
    openssl("req", "-new", "-x509", "-config", str(config), "-extensions", "x", "-newkey", "rsa:2048", "-nodes",
            "-keyout", evil_key, "-out", evil, "-CA", authority, "-CAkey", key)  # fmt: skip
    done = openssl("verify", "-CAfile", authority, evil)
    assert "permitted subtree violation" in done.stdout + done.stderr


def test_what_is_good_is_kept(tmp_path: Path) -> None:
    first = tls.ensure(tmp_path, NAMES)
    was = first.chain.read_bytes()
    assert tls.ensure(tmp_path, NAMES).chain.read_bytes() == was
    assert tls.ensure(tmp_path, NAMES[:2]).chain.read_bytes() == was


def test_a_new_address_and_age_renew_it_under_the_same_authority(tmp_path: Path) -> None:
    first = tls.ensure(tmp_path, NAMES)
    was, print_ = first.chain.read_bytes(), first.fingerprint
    moved = tls.ensure(tmp_path, (*NAMES, "192.168.7.9"))
    assert moved.chain.read_bytes() != was
    assert moved.fingerprint == print_
    was = moved.chain.read_bytes()
    late = tls.ensure(tmp_path, (*NAMES, "192.168.7.9"), datetime.now(UTC) + timedelta(days=361))
    assert late.chain.read_bytes() != was
    assert late.fingerprint == print_


def test_a_board_that_wakes_up_in_1970_has_a_certificate_that_holds_when_its_clock_is_set(tmp_path: Path) -> None:
    woken = tls.ensure(tmp_path, NAMES, datetime(1970, 1, 1, tzinfo=UTC))
    dates = openssl("x509", "-in", str(woken.chain), "-noout", "-dates").stdout
    assert "notBefore=Dec 31 00:00:00 2025" in dates
    set_ = tls.ensure(tmp_path, NAMES, datetime(2031, 5, 1, tzinfo=UTC))
    assert set_.fingerprint == woken.fingerprint
    assert verdict(tmp_path, "-attime", str(int(datetime(2031, 5, 2, tzinfo=UTC).timestamp()))).endswith("OK\n")


def test_a_machine_that_is_renamed_gets_an_authority_for_its_name(tmp_path: Path) -> None:
    was = tls.ensure(tmp_path, NAMES).fingerprint
    renamed = tls.ensure(tmp_path, ("boss", *NAMES[2:]))
    assert renamed.fingerprint != was
    assert verdict(tmp_path, "-verify_hostname", "boss").endswith("OK\n")


def test_the_fingerprint_is_openssls(made: Path) -> None:
    said = openssl("x509", "-in", str(made / "authority.crt"), "-noout", "-fingerprint", "-sha256").stdout
    assert said.strip().partition("=")[2] == tls.ensure(made, NAMES).fingerprint


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888"])
def test_a_public_address_needs_a_certificate_that_the_world_trusts(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError, match="public address"):
        tls.ensure(tmp_path, ("head", address))


def test_this_machine_goes_by_its_name_and_addresses() -> None:
    assert {"localhost", "127.0.0.1"} <= set(tls.names_for(Listen.parse("::")))
    assert "192.168.1.5" in tls.names_for(Listen.parse("192.168.1.5"))


def test_what_is_no_certificate_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.crt").write_text("hello")
    with pytest.raises(UsageError, match="no certificate in PEM"):
        _ = tls.Certificate(tmp_path / "x.crt", tmp_path / "x.key").fingerprint
