"""The doctor finds what is there, names what is not, and agrees with what the set-up installs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pibramble import doctor, proc
from pibramble.errors import Exit, UsageError

REPO = Path(__file__).parents[2]


def pibramble(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pibramble", *words]
    env = {**os.environ, **environment}
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine that has no programs but those the test puts into the folder it gets."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(proc, "_SYSTEM_FOLDERS", ())
    return tmp_path


def program(folder: Path, name: str, says: str = "") -> None:
    (folder / name).write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    (folder / name).chmod(0o755)


def test_missing_programs_are_named_with_the_packages_that_bring_them(bare_machine: Path) -> None:
    program(bare_machine, "ssh", "OpenSSH_9.2p1 Debian-2, OpenSSL 3.0")
    report = doctor.examine(["operate"])
    assert {finding.name: finding.state for finding in report.findings} == {
        "ssh": doctor.State.THERE,
        "ssh-keygen": doctor.State.MISSING,
    }
    assert report.packages == ("openssh-client",)
    assert not report.healthy


def test_a_program_that_is_too_old_is_not_taken(bare_machine: Path) -> None:
    program(bare_machine, "ssh", "OpenSSH_7.9p1 Debian-10, OpenSSL 1.1")
    program(bare_machine, "ssh-keygen")
    report = doctor.examine(["operate"])
    [ssh] = [finding for finding in report.findings if finding.name == "ssh"]
    assert (ssh.state, ssh.detail) == (doctor.State.TOO_OLD, "7.9; needs 8.0")
    assert report.packages == ("openssh-client",)


def test_programs_of_root_are_found_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    [sysctl] = [finding for finding in doctor.examine(["lab"]).findings if finding.name == "sysctl"]
    assert (sysctl.state, sysctl.detail) == (doctor.State.THERE, "/usr/sbin/sysctl")


def test_a_kernel_that_refuses_is_found_out_by_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = {
        "features": {"lab": {"purpose": "try"}},
        "program": [],
        "distribution": [],
        "kernel": [
            {"name": "good", "features": ["lab"], "try": "true"},
            {"name": "bad", "features": ["lab"], "try": "echo 'Operation not supported' >&2; false; true"},
        ],
    }
    monkeypatch.setattr(doctor, "_needs", lambda: needs)
    monkeypatch.setattr(doctor, "_way_to_try", lambda: ("env", "--"))
    report = doctor.examine()
    assert [(f.name, f.state, f.detail) for f in report.findings] == [
        ("good", doctor.State.THERE, ""),
        ("bad", doctor.State.MISSING, "Operation not supported"),
    ]


def test_what_needs_a_right_that_we_lack_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_way_to_try", tuple)
    kernel = [finding for finding in doctor.examine(["lab"]).findings if finding.kind == "kernel"]
    assert {finding.state for finding in kernel} == {doctor.State.UNKNOWN}
    assert all("sudo" in finding.detail for finding in kernel)


def test_what_only_developers_need_is_left_out_unless_named() -> None:
    assert not {"files", "bench", "bases", "emulator"} & {feature.name for feature in doctor.examine().features}
    assert [feature.name for feature in doctor.examine(["bench"]).features] == ["bench"]


def test_an_unknown_feature_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="think, lab"):
        doctor.examine(["labb"])


def test_the_command_tells_the_apt_line_and_says_by_its_exit_code_that_something_is_missing(tmp_path: Path) -> None:
    # An environment without the folders of Debian's programs is as good as a machine without them, but for /usr/sbin.
    program(tmp_path, "ssh", "OpenSSH_9.2p1")
    done = pibramble("doctor", "operate", PATH=str(tmp_path))
    assert done.returncode == Exit.MISSING
    assert "missing   ssh-keygen" in done.stdout
    assert done.stdout.endswith("sudo apt-get install openssh-client\n")


def test_json_holds_all_findings() -> None:
    done = pibramble("doctor", "--json", "think")
    assert done.returncode == Exit.OK, done.stderr
    said = json.loads(done.stdout)
    assert said["healthy"] is True
    assert [finding["name"] for finding in said["findings"]] == ["python3"]


def listed(name: str) -> set[str]:
    lines = (REPO / "requirements" / name).read_text(encoding="utf-8").splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def test_the_set_up_installs_what_the_doctor_asks_for() -> None:
    needs = tomllib.loads((REPO / "src/pibramble/doctor.toml").read_text(encoding="utf-8"))
    optional = {name for name, entry in needs["features"].items() if entry.get("optional")}
    essential = {"util-linux"}  # no Debian is without it
    wanted = {p["package"] for p in needs["program"] if set(p["features"]) - optional} - essential
    assert wanted <= listed("debian.txt")
    for feature, names in {
        "files": ["debian-dev.txt"],
        "bench": ["debian-bench.txt"],
        "bases": ["debian-cards.txt"],
        "wiring": ["debian-wiring.txt"],
        "mpich": ["debian-mpich.txt"],
        "emulator": ["debian-emulator.txt"],
        "predict": ["debian-predict.txt"],
        "backup": ["debian-backup.txt"],
        "web": ["debian-web.txt"],
        "swarm": ["unpacked-swarm.txt"],
    }.items():
        wanted = {p["package"] for p in needs["program"] if feature in p["features"]} - essential
        assert wanted <= set().union(listed("debian.txt"), *map(listed, names)), feature


def test_every_need_belongs_to_a_feature() -> None:
    needs = tomllib.loads((REPO / "src/pibramble/doctor.toml").read_text(encoding="utf-8"))
    for need in [*needs["program"], *needs["distribution"], *needs["kernel"]]:
        assert need["features"], need["name"]
        assert set(need["features"]) <= set(needs["features"]), need["name"]


@pytest.mark.parametrize("text", ['[[workers]]\nname = "a"\n[containers]\nengine = "docker-swarm"\n', "nonsense"])
def test_a_cluster_that_is_not_up_or_whose_file_is_wrong_does_not_keep_the_doctor_from_its_work(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text(text)
    done = pibramble("-f", str(file), "doctor", "--json", PIBRAMBLE_STATE=str(tmp_path / "state"))
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert said["findings"]
    assert said["engines"] == said["complaints"] == []
