"""The cluster's keys are made once, kept for good, and never open to others."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from ipaddress import IPv4Network
from pathlib import Path

import attrs
import pytest

from pibramble import keys, locks, openssh
from pibramble.errors import BusyError, Exit, PibrambleError
from pibramble.files.model import Keyring
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.progress import SilentProgress
from pibramble.spec.model import Cluster, ClusterSection, WorkerGroup

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen (openssh-client)")


@pytest.fixture(autouse=True)
def _state_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIBRAMBLE_STATE", str(tmp_path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "xmas"


def plan_of(workers: str = "zero[1-2]", *, user: str = "pi", subnet: str = "192.168.7.0/24") -> Plan:
    section = ClusterSection(name="xmas", user=user, subnet=IPv4Network(subnet))
    return resolve(Cluster(cluster=section, workers=(WorkerGroup(name=workers),)))


def ensure(folder: Path, plan: Plan | None = None) -> Keyring:
    return keys.ensure(plan or plan_of(), folder, SilentProgress())


def says(certificate: str) -> str:
    """Return what ssh-keygen itself reads in a certificate."""
    argv = ["ssh-keygen", "-L", "-f", "-"]
    return subprocess.run(argv, input=certificate, capture_output=True, text=True, check=True).stdout


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in folder.rglob("*")}


def test_host_certificates_vouch_for_name_and_address_without_end(folder: Path) -> None:
    text = says(ensure(folder).hosts["zero2"].certificate)
    assert "host certificate" in text
    assert "Valid: forever" in text
    principals = text.partition("Principals:")[2].partition("Critical")[0].split()
    assert principals == ["zero2", "192.168.7.3"]


def test_the_users_certificate_lets_it_be_that_user_and_little_more(folder: Path) -> None:
    text = says(ensure(folder).user_certificate)
    assert "user certificate" in text
    assert text.partition("Principals:")[2].partition("Critical")[0].split() == ["pi"]
    assert text.partition("Extensions:")[2].split() == ["permit-port-forwarding", "permit-pty"]


def test_every_certificate_is_signed_by_the_cluster_authority(folder: Path, tmp_path: Path) -> None:
    ring = ensure(folder)
    (tmp_path / "ca.pub").write_text(ring.ca_public)
    argv = ["ssh-keygen", "-l", "-f", str(tmp_path / "ca.pub")]
    print_of_ca = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()[1]
    for certificate in [ring.user_certificate, *(key.certificate for key in ring.hosts.values())]:
        assert f"Signing CA: ED25519 {print_of_ca}" in says(certificate)


def test_private_and_public_halves_belong_together(folder: Path) -> None:
    ring = ensure(folder)
    argv = ["ssh-keygen", "-y", "-f", str(folder / "keys" / "hosts" / "zero1")]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()[:2]
    assert shown == ring.hosts["zero1"].public.split()[:2]


def test_nobody_else_can_look_into_the_folder(folder: Path) -> None:
    ensure(folder)
    found = modes(folder)
    assert found["keys"] == found["keys/hosts"] == folder.stat().st_mode & 0o777 == 0o700
    assert {found[f"keys/{name}"] for name in ("ca", "user", "hosts/head", "hosts/zero1")} == {0o600}


def test_the_authoritys_private_half_is_in_no_keyring(folder: Path) -> None:
    ring = ensure(folder)
    private = (folder / "keys" / "ca").read_text()
    assert private not in str(attrs.asdict(ring))


def test_a_second_run_changes_nothing_and_starts_no_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ensure(folder)
    monkeypatch.setenv("PATH", "")
    assert ensure(folder) == first


def test_a_new_worker_gets_a_key_and_the_others_keep_theirs(folder: Path) -> None:
    first = ensure(folder, plan_of("zero[1-2]"))
    second = ensure(folder, plan_of("zero[1-3]"))
    assert {name: second.hosts[name] for name in first.hosts} == first.hosts
    assert second.hosts["zero3"].private not in {key.private for key in first.hosts.values()}


def test_a_worker_that_comes_back_has_the_key_it_had(folder: Path) -> None:
    first = ensure(folder, plan_of("zero[1-2]"))
    ensure(folder, plan_of("zero1"))
    assert ensure(folder, plan_of("zero[1-2]")) == first


def test_new_addresses_and_a_new_user_mean_new_certificates_for_the_same_keys(folder: Path) -> None:
    first = ensure(folder)
    second = ensure(folder, plan_of(user="ada", subnet="10.1.0.0/24"))
    assert second.hosts["zero1"].private == first.hosts["zero1"].private
    assert "10.1.0.2" in says(second.hosts["zero1"].certificate)
    assert second.user_private == first.user_private
    assert says(second.user_certificate).partition("Principals:")[2].split()[0] == "ada"


def test_a_damaged_certificate_is_signed_again(folder: Path) -> None:
    first = ensure(folder)
    path = folder / "keys" / "hosts" / "zero1-cert.pub"
    path.write_text(path.read_text()[:200])
    second = ensure(folder)
    assert second.hosts["zero1"].private == first.hosts["zero1"].private
    assert "zero1" in says(second.hosts["zero1"].certificate)


def test_a_lost_public_half_is_taken_from_the_private_one(folder: Path) -> None:
    first = ensure(folder)
    (folder / "keys" / "hosts" / "zero1.pub").unlink()
    second = ensure(folder)
    assert second.hosts["zero1"].public.split()[:2] == first.hosts["zero1"].public.split()[:2]


@pytest.mark.parametrize("name", ["keys/ca", "keys/user", "keys/hosts/zero1", "keys", "keys/hosts", "."])
def test_what_others_can_read_is_refused_with_the_cure(folder: Path, name: str) -> None:
    ensure(folder)
    path = folder / name
    path.chmod(0o755 if path.is_dir() else 0o640)
    with pytest.raises(keys.KeyFileError, match="other people") as caught:
        ensure(folder)
    assert caught.value.hint == f"chmod {'700' if path.is_dir() else '600'} {folder / name}"
    assert os.system(caught.value.hint) == 0  # noqa: S605 (the very line that a person is told to type)
    ensure(folder)


def replaced(path: Path, *options: str) -> None:
    path.unlink()
    path.with_name(f"{path.name}.pub").unlink()
    subprocess.run(["ssh-keygen", "-q", "-f", str(path), *options], check=True)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["-t", "rsa", "-b", "2048", "-N", ""], "is no Ed25519 key"),
        (["-t", "ed25519", "-N", "secret"], "is protected by a passphrase"),
        (["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""], "is no OpenSSH private key"),
    ],
)
def test_a_key_that_is_not_ours_is_named_with_the_cure(folder: Path, options: list[str], why: str) -> None:
    ensure(folder)
    path = folder / "keys" / "ca"
    replaced(path, *options)
    with pytest.raises(keys.KeyFileError, match=why) as caught:
        ensure(folder)
    assert str(path) in caught.value.message
    assert f"mv {path} {path}.broken" in caught.value.hint
    path.rename(f"{path}.broken")
    path.with_name("ca.pub").unlink()
    ensure(folder)


def test_a_truncated_key_is_named(folder: Path) -> None:
    ensure(folder)
    path = folder / "keys" / "hosts" / "zero1"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], lines[-1]]))
    with pytest.raises(keys.KeyFileError, match=r"hosts/zero1: this key file is (?:damaged|cut short)"):
        ensure(folder)


@pytest.mark.parametrize("content", ["", "nonsense", "ssh-rsa AAAA x", "\x00\xff"])
def test_a_foreign_public_half_is_named(folder: Path, content: str) -> None:
    ensure(folder)
    path = folder / "keys" / "user.pub"
    path.write_text(content)
    with pytest.raises(keys.KeyFileError, match=r"user\.pub: this public key") as caught:
        ensure(folder)
    assert caught.value.hint.startswith(f"remove it (rm {path})")


def test_the_public_half_of_another_key_is_named(folder: Path) -> None:
    ensure(folder)
    hosts = folder / "keys" / "hosts"
    shutil.copy(hosts / "zero1.pub", hosts / "zero2.pub")
    with pytest.raises(keys.KeyFileError, match=r"zero2\.pub: this public key belongs to another private key"):
        ensure(folder)


def test_a_folder_in_the_place_of_a_key_is_named(folder: Path) -> None:
    (folder / "keys" / "ca").mkdir(parents=True, mode=0o700)
    folder.chmod(0o700)
    (folder / "keys").chmod(0o700)
    with pytest.raises(keys.KeyFileError, match="is a directory"):
        ensure(folder)


def test_keys_in_a_git_work_tree_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIBRAMBLE_STATE")
    subprocess.run(["git", "init", "-q", str(tmp_path / "repo")], check=True)
    folder = tmp_path / "repo" / "deep" / "state"
    with pytest.raises(keys.KeyFileError, match="git work tree") as caught:
        ensure(folder)
    assert caught.value.exit_code is Exit.WRONG
    assert not folder.exists()
    monkeypatch.setenv("PIBRAMBLE_STATE", str(folder))  # somebody says: here
    ensure(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_folder_of_somebody_else_is_said_in_words(tmp_path: Path) -> None:
    folder = tmp_path / "closed" / "xmas"
    folder.parent.mkdir(mode=0o700)
    os.seteuid(65534)
    try:
        with pytest.raises(PibrambleError, match="no permission") as caught:
            ensure(folder)
    finally:
        os.seteuid(0)
    assert caught.value.exit_code is Exit.MISSING
    assert "chown" in caught.value.hint


MAKE = """
import sys
from pathlib import Path
from tests.unit.test_keys import ensure, plan_of
ensure(Path(sys.argv[1]), plan_of("n[1-40]"))
"""


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", MAKE, str(folder)], cwd=Path(__file__).parents[2])


def test_two_at_once_end_up_with_the_same_keys(folder: Path) -> None:
    both = [start(folder), start(folder)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    plan = plan_of("n[1-40]")
    assert ensure(folder, plan) == ensure(folder, plan)
    for node in plan.nodes:
        path = folder / "keys" / "hosts" / node.name
        assert openssh.private_key_public(path.read_text()) == openssh.public_key(Path(f"{path}.pub").read_text())


def test_waiting_for_another_one_has_an_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure(folder)
    monkeypatch.setattr(keys, "_LOCK_WAIT_S", 0.1)
    with locks.held(folder / "keys" / ".lock", "keys"), pytest.raises(BusyError):
        ensure(folder)


@pytest.mark.parametrize("kill_signal", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_leaves_nothing_half_made(folder: Path, kill_signal: signal.Signals) -> None:
    process = start(folder)
    hosts = folder / "keys" / "hosts"
    while not hosts.exists() or len(list(hosts.glob("n*-cert.pub"))) < 3:
        assert process.poll() is None, "made everything before it could be killed"
        time.sleep(0.005)
    process.send_signal(kill_signal)
    process.wait(timeout=30)
    kept = {path.name: path.read_text() for path in hosts.iterdir() if path.is_file() and path.suffix != ".pub"}
    assert 0 < len(kept) < 41
    ring = ensure(folder, plan_of("n[1-40]"))
    for name, private in kept.items():
        if not name.startswith("."):
            assert ring.hosts[name].private == private
    assert not [path for path in (folder / "keys").rglob(".*") if path.name != ".lock"]
