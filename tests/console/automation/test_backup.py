"""A switch's configuration is fetched over its console by netmiko, kept under git, and compared."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pibramble.errors import Exit
from tests.console.automation.conftest import Place
from tests.console.automation.ios import At, console
from tests.unit.console.benches import Device, wait_until

GIVEN = {"username": "ada", "password": "lovelace", "secret": "charles"}


def git(folder: Path, *words: str) -> str:
    return subprocess.run(("git", "-C", str(folder), *words), capture_output=True, text=True, check=True).stdout


def test_the_first_backup_makes_the_repository_and_the_next_says_that_nothing_changed(place: Place) -> None:
    folder, file = place.folder / "kept", place.credentials(**GIVEN)
    first = place.run("backup", "sw1", "--folder", folder, "--credentials", file)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("sw1: first backup, ")
    text = (folder / "sw1.cfg").read_text()
    assert text.startswith("!\n!\nversion 15.2\n")
    assert text.endswith("\nend\n")
    assert "people write them when they have a lot to say\n" in text
    assert "enable secret 5 $1$mERr$hx5rVt7rPNoS4wqbXKX7m0" in text
    assert "Last configuration change" not in text
    assert (folder / "sw1.cfg").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "it holds secrets" in first.stderr
    assert place.switch.ios.at is At.RETURN, "it must log out"

    again = place.run("backup", "sw1", "--folder", folder, "--credentials", file)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("sw1: nothing has changed since ")
    assert git(folder, "log", "--format=%s").splitlines() == ["sw1: its configuration"]


def test_a_change_is_printed_and_committed_alone(place: Place) -> None:
    folder, file = place.folder / "kept", place.credentials(**GIVEN)
    place.run("backup", "sw1", "--folder", folder, "--credentials", file)
    (folder / "notes.txt").write_text("not yet ready\n")
    git(folder, "add", "notes.txt")
    place.switch.ios.hostname = "sw2"
    done = place.run("backup", "sw1", "--folder", folder, "--credentials", file)
    assert done.returncode == 0, done.stderr
    assert "-hostname sw1\n+hostname sw2\n" in done.stdout
    assert git(folder, "show", "--name-only", "--format=").split() == ["sw1.cfg"]
    assert git(folder, "status", "--short").strip() == "A  notes.txt"


def test_secrets_stay_out_on_request(place: Place) -> None:
    folder = place.folder / "kept"
    done = place.run("backup", "sw1", "--folder", folder, "--mask-secrets", "--credentials", place.credentials(**GIVEN))
    assert done.returncode == 0, done.stderr
    text = (folder / "sw1.cfg").read_text()
    for secret in ("$1$mERr", "0822455D0A16", "s3cret", "13061E010803"):
        assert secret not in text
    for line in ("enable secret 5 <removed>", "snmp-server community <removed> RO", " password 7 <removed>"):
        assert f"\n{line}\n" in text


def test_a_new_switch_is_led_past_its_setup_dialog(tmp_path: Path) -> None:
    with console(configured=False) as switch:
        place = Place(tmp_path, switch)
        done = place.run("backup", "sw1", "--command", "show version", "--credentials", place.credentials(username="x"))
        assert done.returncode == 0, done.stderr
        assert "Switch uptime is 1 day" in (tmp_path / "state").rglob("sw1.cfg").__next__().read_text()


def test_netrc_serves_as_well_and_a_broker_that_runs(place: Place) -> None:
    netrc = place.folder / "home" / ".netrc"
    netrc.write_text("machine sw1 login ada password lovelace account charles\n")
    netrc.chmod(0o600)
    with place.broker():
        done = place.run("backup", "sw1")
    assert done.returncode == 0, done.stderr
    assert "first backup" in done.stdout
    [log] = (place.folder / "state").rglob("console.log")
    said = log.read_text()
    assert "username ada privilege 1 password 7 <removed>" in said
    for secret in ("lovelace", "charles", "0822455D0A16", "s3cret"):
        assert secret not in said


@pytest.mark.parametrize(("password", "secret"), [("Wr0ng", "charles"), ("lovelace", "Wr0ng")])
def test_a_wrong_password_is_said_and_nothing_is_kept(place: Place, password: str, secret: str) -> None:
    folder = place.folder / "kept"
    file = place.credentials(username="ada", password=password, secret=secret)
    done = place.run("backup", "sw1", "--folder", folder, "--credentials", file, timeout=100)
    assert done.returncode == Exit.FAILED
    assert "the device did not" in done.stderr
    assert "Traceback" not in done.stderr
    assert password not in done.stderr
    assert not folder.exists()


def test_credentials_that_others_can_read_are_refused(place: Place) -> None:
    file = place.credentials(**GIVEN)
    file.chmod(0o640)
    done = place.run("backup", "sw1", "--credentials", file)
    assert done.returncode == Exit.WRONG
    assert f"{file}: others can read this file" in done.stderr
    assert "chmod 600" in done.stderr


def test_nobody_to_ask_is_said(place: Place) -> None:
    done = place.run("backup", "sw1")
    assert done.returncode == Exit.MISSING
    assert "who is to log in on sw1?" in done.stderr


def test_a_port_whose_profile_netmiko_does_not_know_is_refused(place: Place) -> None:
    other = Device()
    done = place.run("backup", other.path, "--profile", "linux", "--credentials", place.credentials(**GIVEN))
    other.close()
    assert done.returncode == Exit.WRONG
    assert 'the profile "linux" does not say what netmiko calls it' in done.stderr


def test_an_interrupted_backup_logs_out(place: Place) -> None:
    file, ios = place.credentials(**GIVEN), place.switch.ios
    backup = place.start("backup", "sw1", "--credentials", str(file))
    wait_until(lambda: ios.at is At.EXEC, 30)
    backup.send_signal(signal.SIGINT)
    _, said = backup.communicate(timeout=20)
    assert backup.returncode == Exit.INTERRUPTED
    assert "Traceback" not in said
    wait_until(lambda: ios.at is At.RETURN)


def test_a_person_is_asked_and_the_secrets_are_not_shown(place: Place) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(place.folder)
        os.execve(sys.executable, [sys.executable, "-m", "pibramble", "console", "backup", "sw1"], place.environment)  # noqa: S606 (as a person starts it)
    shown = b""
    for question, answer in ((b"Username on sw1", b"ada"), (b"Password:", b"lovelace"), (b"Enable secret", b"charles")):
        while question not in shown:
            shown += os.read(terminal, 4096)
        time.sleep(0.1)  # click takes the echo away after it has asked
        os.write(terminal, answer + b"\n")
    with suppress(OSError):  # the end of a pty
        while data := os.read(terminal, 4096):
            shown += data
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, shown
    os.close(terminal)
    assert b"sw1: first backup, 42 lines" in shown
    assert b"lovelace" not in shown
    assert b"charles" not in shown
