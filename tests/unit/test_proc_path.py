"""Every program of the system is found, whatever the person's PATH."""

from __future__ import annotations

import subprocess

import pytest

from pibramble import proc

ASK = ("sh", "-c", "echo $PATH")


def test_a_command_finds_the_systems_own_programs_behind_the_persons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/opt/mine/bin:/usr/bin:/bin")
    assert proc.run(ASK).stdout == "/opt/mine/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin\n"
    assert proc.run(["sysctl", "-n", "kernel.ostype"]).stdout == "Linux\n"


def test_an_environment_of_the_callers_keeps_what_it_says() -> None:
    environment = {"PATH": "/usr/sbin:/usr/bin:/bin", "COLOUR": "green"}
    done = proc.run(["sh", "-c", "echo $PATH $COLOUR"], env=environment)
    assert done.stdout == "/usr/sbin:/usr/bin:/bin:/usr/local/sbin:/sbin green\n"


def test_a_command_that_is_left_running_finds_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with proc.start(ASK, stdout=subprocess.PIPE) as started:
        assert started.communicate()[0] == b"/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin\n"
