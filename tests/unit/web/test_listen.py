"""Addresses to listen on."""

from __future__ import annotations

import pytest

from pibramble.errors import UsageError
from pibramble.web.listen import Listen


@pytest.mark.parametrize(
    ("text", "said", "loopback"),
    [
        ("9000", "127.0.0.1:9000", True),
        ("127.0.0.1", "127.0.0.1:8470", True),
        ("[::1]:1", "[::1]:1", True),
        ("::1", "[::1]:8470", True),
        ("0.0.0.0", "0.0.0.0:8470", False),  # noqa: S104 (only parsed)
        ("192.168.1.5:8443", "192.168.1.5:8443", False),
        ("::", "[::]:8470", False),
    ],
)
def test_an_address_is_understood(text: str, said: str, *, loopback: bool) -> None:
    found = Listen.parse(text)
    assert (str(found), found.loopback) == (said, loopback)


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "127.0.0.1:70000", "[::1", "1.2.3.4:-1", "x:1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no address to listen on"):
        Listen.parse(text)
