"""What the browser runs is what its source says."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[3]
STATIC = REPO / "src" / "pibramble" / "web" / "static"
WEB = REPO / "web"


def test_the_page_was_built_after_its_source_changed() -> None:
    names = sorted([*(f"src/{path.name}" for path in (WEB / "src").iterdir()), "build.js", "package-lock.json"])
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\0".encode() + (WEB / name).read_bytes() + b"\0")
    assert (STATIC / "built-from.txt").read_text().strip() == digest.hexdigest(), "run scripts/build-web"


@pytest.mark.skipif(
    not shutil.which("node") or not (WEB / "node_modules" / ".made-from").exists(),
    reason="web/node_modules is not there: scripts/build-web --packages says why",
)
def test_building_anew_gives_the_same_bytes(tmp_path: Path) -> None:
    subprocess.run([REPO / "scripts" / "build-web", tmp_path], check=True, timeout=100)
    built = sorted(path.name for path in tmp_path.iterdir())
    assert {"console.js", "ports.js", "login.js", "page.css"} <= set(built)
    for name in built:
        assert (tmp_path / name).read_bytes() == (STATIC / name).read_bytes(), f"{name}: run scripts/build-web"


def test_the_lock_pins_every_package_by_hash_and_names_no_registry() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert "://" not in re.sub(r'"(url|funding)": .*', "", (WEB / "package-lock.json").read_text())


def test_the_licences_come_along() -> None:
    licences = (STATIC / "LICENCES.txt").read_text()
    assert "@xterm/xterm" in licences
    assert "Permission is hereby granted" in licences


@pytest.mark.parametrize("page", sorted(path.name for path in STATIC.glob("*.html")))
def test_no_page_has_anything_inline_or_from_elsewhere(page: str) -> None:
    html = (STATIC / page).read_text()
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=|https?://|//[a-z]", html)
