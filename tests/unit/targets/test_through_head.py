"""The way through the head, as ssh itself reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pibramble.errors import MissingError, UsageError
from pibramble.plan.resolve import resolve
from pibramble.targets.through_head import Credentials, Way, configuration
from tests.unit.files.disks import CLUSTER

PLAN = resolve(CLUSTER)


def as_ssh_reads_it(folder: Path, node: str, way: Way) -> dict[str, str]:
    """Return ssh's own view of the configuration for one node."""
    folder.mkdir(exist_ok=True)
    keys = Credentials(folder / "my keys" / "user", folder / "my keys" / "user-cert.pub", "ssh-ed25519 AAAA ca")
    (folder / "config").write_text(configuration(PLAN, keys, way, folder))
    argv = ["ssh", "-G", "-F", str(folder / "config"), node]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return dict(line.partition(" ")[::2] for line in done.stdout.splitlines())


def test_the_head_is_known_by_its_name_wherever_it_is_reached(tmp_path: Path) -> None:
    head = as_ssh_reads_it(tmp_path, "head", Way("127.0.0.1", 2222))
    assert (head["hostname"], head["port"], head["hostkeyalias"], head["user"]) == ("127.0.0.1", "2222", "head", "pi")
    assert head["stricthostkeychecking"] == "true"
    assert head["hostkeyalgorithms"] == "ssh-ed25519-cert-v01@openssh.com"
    assert "proxycommand" not in head


def test_a_worker_is_reached_through_the_heads_connection(tmp_path: Path) -> None:
    worker = as_ssh_reads_it(tmp_path, "zero1", Way("10.0.0.1"))
    assert (worker["hostname"], worker["hostkeyalias"]) == ("192.168.7.2", "zero1")
    assert worker["proxycommand"] == f"ssh -F {tmp_path}/config -o ControlMaster=no -W %h:%p head"
    assert worker["controlpath"] == f"{tmp_path}/192.168.7.2"


def test_an_address_names_the_node_too(tmp_path: Path) -> None:
    assert as_ssh_reads_it(tmp_path, "192.168.7.3", Way("10.0.0.1"))["hostkeyalias"] == "zero2"


def test_folders_with_spaces_and_percent_signs_are_taken_as_they_are(tmp_path: Path) -> None:
    odd = tmp_path / "50% of it"
    worker = as_ssh_reads_it(odd, "zero1", Way("10.0.0.1"))
    assert worker["identityfile"] == f"{odd}/my keys/user".replace("%", "%%")
    assert worker["controlpath"] == f"{odd}/192.168.7.2"  # expanded by ssh -G already
    assert worker["userknownhostsfile"] == f"{odd}/known_hosts"


def test_a_slow_head_gets_the_time_that_it_was_granted(tmp_path: Path) -> None:
    assert as_ssh_reads_it(tmp_path, "head", Way("10.0.0.1", patience_s=240))["connecttimeout"] == "240"


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("192.168.1.20", Way("192.168.1.20")),
        ("head.local:2222", Way("head.local", 2222)),
        ("fe80::1%eth0", Way("fe80::1%eth0")),
        ("[2001:db8::7]:22", Way("2001:db8::7")),
    ],
)
def test_a_head_is_a_host_with_or_without_a_port(text: str, way: Way) -> None:
    assert Way.read(text) == way


@pytest.mark.parametrize(
    "text", ["", "pi@head", "head:0", "head:65536", "-oProxyCommand=x", "a b", "head\nPort 1", "head:"]
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no HOST"):
        Way.read(text)


def test_a_machine_without_the_clusters_keys_is_told_where_they_are(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such key") as error:
        Credentials.of(tmp_path)
    assert "state folder" in error.value.hint
