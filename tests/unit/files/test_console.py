"""The service of the consoles on the head's card."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pibramble.cards import recipe
from pibramble.files import console, firewall
from pibramble.files.model import NodeFile
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.spec import load

CLUSTER = """\
[cluster]
name = "bench"
[[workers]]
name = "zero1"
"""
CONSOLES = """
[[consoles]]
name = "sw1"
port = "/dev/ttyUSB0"
profile = "cisco-ios"
"""


def plan_of(text: str, folder: Path) -> Plan:
    file = folder / "cluster.toml"
    file.write_text(text)
    return resolve(load.load(file).cluster, text)


def unit_of(plan: Plan) -> str:
    [unit] = [entry for entry in console.head(plan) if isinstance(entry, NodeFile) and entry.path.endswith(".service")]
    return unit.content


def test_only_a_head_with_consoles_gets_what_serves_them(tmp_path: Path) -> None:
    without, with_ = plan_of(CLUSTER, tmp_path), plan_of(CLUSTER + CONSOLES, tmp_path)
    assert "python3-starlette" not in recipe.recipe_for(without, without.head).packages
    assert {"python3-starlette", "python3-uvicorn", "openssl"} <= set(recipe.recipe_for(with_, with_.head).packages)
    assert "python3-starlette" not in recipe.recipe_for(with_, with_.node("zero1")).packages


def test_the_accounts_are_made_and_the_user_is_let_in(tmp_path: Path) -> None:
    [accounts] = [entry for entry in console.head(plan_of(CLUSTER + CONSOLES, tmp_path)) if "sysusers" in entry.path]
    assert isinstance(accounts, NodeFile)
    root = tmp_path / "root"
    (root / "etc" / "sysusers.d").mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\npi:x:1000:1000::/home/pi:/bin/bash\n")
    (root / "etc/group").write_text("root:x:0:\ndialout:x:20:\npi:x:1000:\n")
    (root / "etc/sysusers.d/x.conf").write_text(accounts.content)
    done = subprocess.run(
        ["systemd-sysusers", f"--root={root}"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    groups = (root / "etc/group").read_text()
    assert re.search(r"^dialout:x:20:pibramble-console$", groups, re.MULTILINE)
    assert re.search(r"^pibramble-console:x:\d+:pi$", groups, re.MULTILINE)
    assert "/usr/sbin/nologin" in (root / "etc/passwd").read_text()


def test_the_uplinks_network_reaches_the_pages_only_when_the_cluster_file_says_so(tmp_path: Path) -> None:
    for more, command, ports in (
        (CONSOLES, "serve\n", "tcp dport 22 accept"),
        (CONSOLES + "\n[web]\nuplink = true\n", "serve --listen 0.0.0.0:8470\n", "tcp dport { 22, 8470 } accept"),
    ):
        plan = plan_of(CLUSTER + more, tmp_path)
        assert command in unit_of(plan)
        assert ports in firewall.rules(plan).content
    without = plan_of(CLUSTER + "\n[web]\nuplink = true\n", tmp_path)
    assert "tcp dport 22 accept" in firewall.rules(without).content, "no consoles, no pages"


@pytest.mark.skipif(os.geteuid() != 0, reason="systemd-analyze looks at accounts as root")
def test_the_unit_lets_ip_give_its_capabilities_up() -> None:
    """With TLS it asks `ip` for this machine's addresses, which ends with 1 where capset is refused (iproute2 6.15)."""
    filters = re.findall(r"^SystemCallFilter=(.*)$", console._UNIT, re.MULTILINE)  # noqa: SLF001 (whatever the plan)
    assert "@privileged" in filters[1]  # which has capset
    assert filters[2:] == ["capset"]


def test_systemd_accepts_the_unit_and_finds_it_hardened(tmp_path: Path) -> None:
    unit = tmp_path / console.UNIT
    unit.write_text(
        unit_of(plan_of(CLUSTER + CONSOLES, tmp_path)).replace("/usr/bin/pibramble", shutil.which("true") or "")
    )
    program = shutil.which("systemd-analyze") or ""
    done = subprocess.run(
        [program, "--man=no", "verify", str(unit)], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(
        [program, "security", "--offline=true", "--threshold=25", str(unit)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
