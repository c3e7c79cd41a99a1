"""Passwords and tokens: what is kept of them, and whether one fits."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

# OWASP's cheat sheet on password storage gives this cost for scrypt where memory is scarce: 16 MiB a try.
_COST, _BLOCKS, _PARALLEL = 2**14, 8, 5
_MEMORY_BYTES = 64 << 20
_SCHEME = "scrypt"
FEWEST_CHARACTERS = 10


def hashed(password: str) -> str:
    """Return what is kept of a password: `scrypt$N$r$p$SALT$HASH`."""
    salt = secrets.token_bytes(16)
    return "$".join(
        (
            _SCHEME,
            str(_COST),
            str(_BLOCKS),
            str(_PARALLEL),
            _text(salt),
            _text(_scrypt(password, salt, _COST, _BLOCKS, _PARALLEL)),
        )
    )


def fits(password: str, kept: str) -> bool:
    """Tell whether a password is the one that `kept` was made of. Takes its time. Raises ValueError for no hash."""
    scheme, cost, blocks, parallel, salt, expected = kept.split("$")
    if scheme != _SCHEME:
        raise ValueError(f"unknown password scheme {scheme!r}")
    found = _scrypt(password, base64.b64decode(salt), int(cost), int(blocks), int(parallel))
    return hmac.compare_digest(found, base64.b64decode(expected))


def check(kept: str) -> None:
    """Raise ValueError for what `hashed` cannot have made."""
    scheme, *costs, salt, expected = kept.split("$")
    if scheme != _SCHEME or [int(cost) for cost in costs] != [_COST, _BLOCKS, _PARALLEL]:
        raise ValueError("not a hash of this pibramble's")
    base64.b64decode(salt, validate=True)
    base64.b64decode(expected, validate=True)


def nobodys() -> str:
    """Return a hash that no password fits: trying it takes as long as trying somebody's."""
    return hashed(secrets.token_urlsafe(32))


def new_token() -> str:
    """Return a token: 256 bits by chance, so that it needs no slow hash."""
    return secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _scrypt(password: str, salt: bytes, cost: int, blocks: int, parallel: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=blocks, p=parallel, maxmem=_MEMORY_BYTES)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
