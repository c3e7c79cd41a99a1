"""Reads OpenSSH's key files far enough to know what a file holds, without a process for each of a thousand.

Formats: PROTOCOL.key (private keys), RFC 4253 section 6.6 (public keys) and PROTOCOL.certkeys, all in OpenSSH's source.
"""

from __future__ import annotations

import base64
import binascii
import struct

import attrs

_KEY_TYPE = b"ssh-ed25519"
_CERTIFICATE_TYPE = b"ssh-ed25519-cert-v01@openssh.com"
_MAGIC = b"openssh-key-v1\0"
_FOREVER = 2**64 - 1
_HOST = 2  # PROTOCOL.certkeys: SSH_CERT_TYPE_HOST


class FormatError(ValueError):
    """A key file that is not what it should be; the text completes the sentence "the file ..."."""


@attrs.frozen
class Certificate:
    """What a certificate vouches for."""

    public: bytes  # the key it certifies, as RFC 4253 has it
    authority: bytes  # the key that signed it, likewise
    host: bool
    principals: tuple[str, ...]
    extensions: tuple[str, ...]
    lasting: bool  # no first and no last day


def private_key_public(text: str) -> bytes:
    """Return the public half that an unencrypted Ed25519 private key file names. Raises FormatError."""
    lines = text.strip().splitlines()
    armour = ("-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----")
    if len(lines) < len(armour) or (lines[0], lines[-1]) != armour:
        raise FormatError("is no OpenSSH private key")
    data = _decode("".join(lines[1:-1]))
    if not data.startswith(_MAGIC):
        raise FormatError("is no OpenSSH private key")
    reader = _Reader(data[len(_MAGIC) :])
    if reader.string() != b"none":
        raise FormatError("is protected by a passphrase")
    reader.string()  # key derivation function
    reader.string()  # its options
    reader.uint32()  # number of keys: always 1
    public = reader.string()
    reader.string()  # the private half must be there to its last byte
    if _Reader(public).string() != _KEY_TYPE:
        raise FormatError("is no Ed25519 key")
    return public


def public_key(text: str) -> bytes:
    """Return the key of a .pub file. Raises FormatError."""
    return _blob(text, _KEY_TYPE)


def public_line(public: bytes, comment: str) -> str:
    """Return the content of a .pub file."""
    return f"{_KEY_TYPE.decode()} {base64.b64encode(public).decode()} {comment}\n"


def certificate(text: str) -> Certificate:
    """Return what a certificate file says; its signature is left to those who rely on it. Raises FormatError."""
    reader = _Reader(_blob(text, _CERTIFICATE_TYPE))
    reader.string()  # type, seen already
    reader.string()  # nonce
    key = reader.string()
    reader.uint64()  # serial
    kind = reader.uint32()
    reader.string()  # key id: for the log
    principals = _Reader(reader.string()).strings()
    after, before = reader.uint64(), reader.uint64()
    reader.string()  # critical options: we set none
    extensions = _Reader(reader.string()).strings()[::2]  # names; each is followed by its (empty) data
    reader.string()  # reserved
    authority = reader.string()
    reader.string()  # the signature must be there to its last byte
    return Certificate(
        public=_pack(_KEY_TYPE) + _pack(key),
        authority=authority,
        host=kind == _HOST,
        principals=tuple(principal.decode(errors="replace") for principal in principals),
        extensions=tuple(extension.decode(errors="replace") for extension in extensions),
        lasting=(after, before) == (0, _FOREVER),
    )


def _blob(text: str, kind: bytes) -> bytes:
    words = text.split(maxsplit=2)
    if len(words) < 2 or words[0] != kind.decode():  # noqa: PLR2004 (type and key)
        message = f"holds no {kind.decode()} key"
        raise FormatError(message)
    data = _decode(words[1])
    if _Reader(data).string() != kind:
        message = f"holds no {kind.decode()} key"
        raise FormatError(message)
    return data


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FormatError("is damaged") from None


def _pack(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


class _Reader:
    """Takes RFC 4251 section 5's data types from the front of some bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _take(self, length: int) -> bytes:
        if self._at + length > len(self._data):
            raise FormatError("is cut short")
        taken = self._data[self._at : self._at + length]
        self._at += length
        return taken

    def uint32(self) -> int:
        return int.from_bytes(self._take(4))

    def uint64(self) -> int:
        return int.from_bytes(self._take(8))

    def string(self) -> bytes:
        return self._take(self.uint32())

    def strings(self) -> list[bytes]:
        """Take strings up to the end."""
        found = []
        while self._at < len(self._data):
            found.append(self.string())
        return found
