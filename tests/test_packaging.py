"""What people install is the wheel: it must carry its data and work far from any checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPO = Path(__file__).parents[1]


def run(*argv: str | Path, cwd: Path, **environment: str) -> str:
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | environment
    done = subprocess.run(
        [str(word) for word in argv], cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the backend that is installed here: nothing is downloaded."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, REPO, cwd=out)
    [built] = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a venv of its own, with this environment's libraries but not its pibramble."""
    where = tmp_path_factory.mktemp("venv")
    venv.create(where, symlinks=True, with_pip=False)
    python = where / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "-q", wheel, cwd=where)
    # A folder named in a .pth file is searched, its own .pth files (the editable install of the checkout) are not read.
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=where).strip()
    (Path(site) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return where / "bin" / "pibramble"


def test_the_wheel_carries_everything_that_the_package_holds(wheel: Path) -> None:
    package = REPO / "src" / "pibramble"
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert {f"pibramble/{path.relative_to(package)}" for path in files} <= set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_carries_its_licence(wheel: Path) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist())


def test_the_installed_command_is_not_the_checkouts(installed: Path, tmp_path: Path) -> None:
    said = run(installed.with_name("python"), "-c", "import pibramble; print(pibramble.__file__)", cwd=tmp_path)
    assert Path(said.strip()).is_relative_to(installed.parents[1])
    assert run(installed, "--version", cwd=tmp_path).startswith("pibramble ")


def test_the_installed_command_makes_a_cluster_file_and_judges_it(installed: Path, tmp_path: Path) -> None:
    run(installed, "new", "xmas", cwd=tmp_path)
    run(installed, "check", cwd=tmp_path)
    assert "zero1" in run(installed, "plan", cwd=tmp_path, PIBRAMBLE_STATE=str(tmp_path / "state"))


def test_the_installed_doctor_has_its_data(installed: Path, tmp_path: Path) -> None:
    assert "python3" in run(installed, "doctor", "think", cwd=tmp_path)


def pinned(lock: str) -> dict[str, str]:
    """Return name -> version of a lock file, leaving out what only some machines take."""
    lines = (REPO / "requirements" / lock).read_text(encoding="utf-8").splitlines()
    pins = (line.split(" ")[0].split("==") for line in lines if "==" in line and not line.startswith(("#", " ")))
    return {canonicalize_name(name): version for name, version in pins}


def wanted(lock: str) -> list[Requirement]:
    """Return what pyproject.toml wants to be in a lock file."""
    pyproject = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
    groups = pyproject["dependency-groups"]
    group = groups.get("build" if lock == "run.txt" else lock.removesuffix(".txt"), [])
    entries: list[str] = [entry for entry in group if isinstance(entry, str)]
    extras = {
        "run.txt": ["lab"],
        "wiring.txt": ["wiring"],
        "web.txt": ["web"],
        "backup.txt": ["backup"],
        "dev.txt": ["lab", "wiring", "web", "backup"],
    }.get(lock, [])
    if extras:
        entries += pyproject["project"]["dependencies"]
    for extra in extras:
        entries += pyproject["project"]["optional-dependencies"][extra]
    return [Requirement(entry) for entry in entries]


LOCKS = ("run.txt", "wiring.txt", "web.txt", "backup.txt", "dev.txt", "docs.txt", "lock.txt")


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_holds_what_pyproject_wants(lock: str) -> None:
    pins = pinned(lock)
    for requirement in wanted(lock):
        version = pins.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not in requirements/{lock}: run `make lock`"
        assert requirement.specifier.contains(version), f"{requirement} against {version}: run `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_pins_every_file_and_names_no_registry(lock: str) -> None:
    text = (REPO / "requirements" / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    entries = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_set_up_pins_what_the_lab_runs_the_same_for_everybody() -> None:
    run, dev = pinned("run.txt"), pinned("dev.txt")
    assert run.items() <= dev.items()
