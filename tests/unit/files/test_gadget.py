"""A USB worker with a console: the script that makes it one is run on a folder that stands for the kernel's configfs.

What the kernel itself says to it has been seen nowhere yet.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pibramble.cards import recipe
from pibramble.console import ports, profiles
from pibramble.files import gadget
from pibramble.files.model import NodeFile, NodeFiles
from pibramble.files.render import render
from pibramble.plan.describe import describe
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.spec import load
from pibramble.targets.hardware.on_head import OnHead
from tests.unit.files.readers import program, read
from tests.unit.files.test_render import as_text, toy_keys

GOLDEN = Path(__file__).parents[2] / "golden" / "files" / "zero1-with-console.txt"
CLUSTER = """\
[cluster]
name = "bench"
[[workers]]
name = "zero[1-2]"
usb_console = true
[[workers]]
name = "zero3"
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    file = tmp_path / "cluster.toml"
    file.write_text(CLUSTER)
    return resolve(load.load(file).cluster, CLUSTER)


@pytest.fixture
def zero1(plan: Plan) -> NodeFiles:
    return render(plan, toy_keys(plan), "zero1")


class Kernel:
    """A folder in the place of /sys, and the script at work in it."""

    def __init__(self, folder: Path, script: str) -> None:
        self.sys = folder / "sys"
        self.gadget = self.sys / "kernel/config/usb_gadget/pibramble"
        (self.sys / "kernel/config/usb_gadget").mkdir(parents=True)
        (self.sys / "class/udc").mkdir(parents=True)
        # The kernel makes these with the gadget's folder, and follows links within it by their targets.
        script = script.replace("/sys/", f"{self.sys}/").replace(
            'cd "$gadget"\n', 'cd "$gadget"; mkdir -p functions; : >UDC\n'
        )
        self.script = folder / "gadget"
        self.script.write_text(script)
        self.running: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.running = subprocess.Popen(["/bin/sh", str(self.script)], stderr=subprocess.PIPE, text=True)

    def ends(self) -> tuple[int, str]:
        assert self.running is not None
        _, said = self.running.communicate(timeout=20)
        return self.running.returncode, said

    def value(self, name: str) -> str:
        return (self.gadget / name).read_text().strip()


@pytest.fixture
def kernel(tmp_path: Path, zero1: NodeFiles) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path, zero1.content(gadget.SCRIPT))
    yield kernel
    if kernel.running is not None and kernel.running.poll() is None:
        kernel.running.send_signal(signal.SIGKILL)
        kernel.running.wait()


def test_the_files_of_a_worker_with_a_console(zero1: NodeFiles) -> None:
    text = as_text(zero1)
    if os.environ.get("PIBRAMBLE_REGENERATE"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text(), "PIBRAMBLE_REGENERATE=1 accepts the new files"
    assert "g_ether" not in text


def test_it_waits_for_the_controller_and_is_both_then(plan: Plan, kernel: Kernel) -> None:
    kernel.start()
    deadline = time.monotonic() + 10
    while not (kernel.gadget / "configs/c.1/acm.usb0").is_symlink():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.2)
    assert kernel.running is not None
    assert kernel.running.poll() is None
    (kernel.sys / "class/udc/20980000.usb").mkdir()
    assert kernel.ends() == (0, "")
    assert kernel.value("UDC") == "20980000.usb"
    link = plan.node("zero1").link
    assert link is not None
    assert kernel.value("functions/ecm.usb0/dev_addr") == link.worker_mac
    assert kernel.value("functions/ecm.usb0/host_addr") == link.head_mac
    strings = [kernel.value(f"strings/0x409/{name}") for name in ("manufacturer", "product", "serialnumber")]
    assert f"/dev/serial/by-id/usb-{'_'.join(strings)}-if02" == link.console
    functions = [(kernel.gadget / "configs/c.1" / name).readlink() for name in ("ecm.usb0", "acm.usb0")]
    assert functions == [kernel.gadget / "functions/ecm.usb0", kernel.gadget / "functions/acm.usb0"]


def test_once_it_is_both_nothing_is_left_to_do(kernel: Kernel) -> None:
    (kernel.sys / "class/udc/20980000.usb").mkdir()
    for _ in range(2):
        kernel.start()
        assert kernel.ends() == (0, "")
    assert kernel.value("UDC") == "20980000.usb"


def test_a_script_that_cannot_make_it_fails_and_says_why(kernel: Kernel) -> None:
    shutil.rmtree(kernel.sys / "kernel/config")
    (kernel.sys / "kernel/config").write_text("no folder")
    kernel.start()
    code, said = kernel.ends()
    assert code != 0
    assert "mkdir" in said


def test_systemd_accepts_its_unit(zero1: NodeFiles, tmp_path: Path) -> None:
    unit = tmp_path / "pibramble-gadget.service"
    content = zero1.content("/etc/systemd/system/pibramble-gadget.service")
    script = tmp_path / "gadget"
    script.write_text(zero1.content(gadget.SCRIPT))
    script.chmod(0o755)
    unit.write_text(content.replace(gadget.SCRIPT, str(script)))
    done = read([program("systemd-analyze"), "--man=no", "verify", str(unit)])
    assert (done.returncode, done.stderr) == (0, "")


def test_the_kernels_configfs_is_mounted_where_it_is_needed_only(plan: Plan, zero1: NodeFiles) -> None:
    mask = "/etc/systemd/system/sys-kernel-config.mount"
    assert mask not in {link.path for link in zero1.links}
    assert mask in {link.path for link in render(plan, toy_keys(plan), "zero3").links}


def test_the_head_serves_the_consoles_under_the_workers_names(plan: Plan, tmp_path: Path) -> None:
    assert dict(plan.node_consoles) == {
        "zero1": "/dev/serial/by-id/usb-pibramble_worker_zero1-if02",
        "zero2": "/dev/serial/by-id/usb-pibramble_worker_zero2-if02",
    }
    head = render(plan, toy_keys(plan), "head")
    assert any(isinstance(file, NodeFile) and file.path.endswith("pibramble-serve.service") for file in head.files)
    assert "python3-starlette" in recipe.recipe_for(plan, plan.head).packages
    served = ports.of_nodes(OnHead(tmp_path, plan).consoles(plan), profiles.load)
    assert [(port.name, port.profile) for port in served] == [("zero1", "raspberry-pi"), ("zero2", "raspberry-pi")]
    assert "console zero1" in dict(describe(plan).facts)
