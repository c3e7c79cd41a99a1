"""What is kept of a password."""

from __future__ import annotations

import hashlib

import pytest

from pibramble.web import passwords


def test_a_password_fits_its_hash_and_no_other() -> None:
    kept = passwords.hashed("correct horse")
    assert passwords.fits("correct horse", kept)
    assert not passwords.fits("correct horsf", kept)
    assert not passwords.fits("", kept)


def test_the_same_password_is_kept_differently_each_time() -> None:
    assert passwords.hashed("correct horse") != passwords.hashed("correct horse")


def test_the_hash_says_how_it_was_made_and_is_scrypt() -> None:
    scheme, cost, blocks, parallel, salt, expected = passwords.hashed("correct horse").split("$")
    import base64

    again = hashlib.scrypt(
        b"correct horse", salt=base64.b64decode(salt), n=int(cost), r=int(blocks), p=int(parallel), maxmem=1 << 26
    )
    assert (scheme, base64.b64decode(expected)) == ("scrypt", again)


@pytest.mark.parametrize(
    "kept", ["", "secret", "scrypt$2$8$5$AA==$AA==", "md5$16384$8$5$AA==$AA==", "scrypt$16384$8$5$?$?"]
)
def test_what_is_no_hash_is_refused(kept: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whatever says so)
        passwords.check(kept)


def test_a_token_is_long_and_only_its_digest_is_kept() -> None:
    token = passwords.new_token()
    assert len(token) >= 43
    assert token not in passwords.token_digest(token)
