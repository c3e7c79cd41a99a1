"""Whose a connection is, held against a real one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pibramble.web import peer

# Of proc(5) on a little-endian machine.
TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2116 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:9C40 0100007F:2116 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0 20 4 30 10 -1
   2: 0100007F:2116 0100007F:9C40 01 00000000:00000000 00:00000000 00000000   999        0 3 1 0 20 4 30 10 -1
"""


@pytest.mark.skipif(sys.byteorder != "little", reason="the text is of a little-endian machine")
def test_the_account_is_the_far_ends_not_ours() -> None:
    client, server = ("127.0.0.1", 40000), ("127.0.0.1", 8470)
    assert peer.uid_of(TABLE, client, server) == 1000
    assert peer.uid_of(TABLE, server, client) == 999
    assert peer.uid_of(TABLE, ("127.0.0.1", 40001), server) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_real_connection_is_ours(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as listener, socket.socket(family) as client:
        try:
            listener.bind((address, 0))
        except OSError:
            pytest.skip(f"there is no {address} here")
        listener.listen()
        client.connect(listener.getsockname()[:2])
        assert peer.uid(client.getsockname()[:2], client.getpeername()[:2]) == os.geteuid()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_accounts_connection_is_not_ours() -> None:
    connect = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); sys.stdin.read()"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        argv = [sys.executable, "-c", connect, str(listener.getsockname()[1])]
        stranger = subprocess.Popen(argv, stdin=subprocess.PIPE, user=65534, group=65534, cwd="/")
        listener.settimeout(20)
        accepted, client = listener.accept()
        try:
            uid = peer.uid(client, accepted.getsockname())
            assert uid == 65534
            assert uid not in peer.trusted_uids()
        finally:
            accepted.close()
            stranger.communicate()


def test_what_comes_over_the_network_has_no_account() -> None:
    assert peer.uid(("192.0.2.1", 40000), ("192.0.2.2", 8470)) is None


def test_root_and_we_ourselves_need_no_login() -> None:
    assert {0, os.geteuid()} <= peer.trusted_uids()
    assert peer.account(0) == "root"
    assert Path("/proc/self/net/tcp").exists()
