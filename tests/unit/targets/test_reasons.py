"""What ssh really says, told in words."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator

import pytest

from pibramble.targets import reasons


def ssh(*options: str) -> str:
    """Return what ssh says to a host that it cannot connect to."""
    argv = ["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=1", *options, "true"]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20).stderr


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes callers and says nothing to them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_a_closed_port_is_one_without_sshd(closed_port: int) -> None:
    assert "sshd does not run" in reasons.explain(ssh("-p", str(closed_port), "127.0.0.1"))


def test_a_silent_port_is_no_answer_in_time(silent_port: int) -> None:
    assert "no answer in time" in reasons.explain(ssh("-p", str(silent_port), "127.0.0.1"))


def test_a_name_that_nobody_knows_is_called_that() -> None:
    assert "nobody knows that name" in reasons.explain(ssh("no-such-head.invalid"))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("No ED25519-CERT host key is known for head [...]\r\nHost key verification failed.\r\n", reasons.STRANGER),
        ("Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: rsa-sha2-512\r\n",
         reasons.STRANGER),
        ("pi@10.0.0.1: Permission denied (publickey).\r\n", reasons.UNKNOWN_KEY),
        ("Connection reset by 127.0.0.1\r\n", "it hung up: still starting, or there is another service at that port"),
        ("something new\r\n\r\n", "something new"),
        ("", "ssh gave no reason"),
    ],
)  # fmt: skip
def test_every_kind_of_refusal_has_its_words(said: str, words: str) -> None:
    assert reasons.explain(said) == words
