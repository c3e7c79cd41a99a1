"""The cards of a head and three workers boot, and do over USB and PPP what the lab does over shaped wires."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.emulator import world
from tests.emulator.bench import EXAMPLES, Bench

pytestmark = [pytest.mark.emulator, pytest.mark.timeout(1800)]

NODES = ("head", "zero1", "zero2", "aplus")
USB = ("zero1", "zero2")


def test_every_node_is_well(cluster: Bench) -> None:
    statuses = cluster.statuses()
    assert tuple(statuses) == NODES
    assert all(node["reachable"] for node in statuses.values()), statuses
    assert len({node["mpich"] for node in statuses.values()}) == 1


def test_it_is_the_boards_processor_and_debians_kernel(cluster: Bench) -> None:
    assert {cluster.on(node, "uname -m; cat /etc/debian_version | cut -c1-2") for node in NODES} == {"armv6l\n13"}


def test_no_unit_has_failed(cluster: Bench) -> None:
    said = {node: cluster.on(node, "sudo systemctl --failed --no-legend --plain") for node in NODES}
    assert said == dict.fromkeys(NODES, "")


@pytest.mark.parametrize("node", ["head", "zero1", "aplus"])
def test_a_boards_console_is_there_by_itself_and_logs_in(cluster: Bench, node: str) -> None:
    """Over the emulated UART, without the network: agetty, login and bash of the card. aplus has a link, too."""
    said = cluster.ok("console", node, "--send", "id -un; tty; uname -n", timeout_s=300)
    assert re.search(rf"^pi\s+/dev/ttyS1\s+{node}\s", said, re.MULTILINE), said


def test_interfaces_carry_the_planned_addresses(cluster: Bench) -> None:
    plan = cluster.json("plan", "--json")
    links = {worker["name"]: worker["link"] for worker in plan["workers"]}
    for name in USB:
        interface = links[name]["head_interface"]
        assert cluster.on("head", f"cat /sys/class/net/{interface}/address") == links[name]["head_mac"]
        assert cluster.on(name, "cat /sys/class/net/uplink/address") == links[name]["worker_mac"]
        # The real drivers at both ends: the gadget's, and the one that a head has for it.
        assert cluster.on("head", f"basename $(readlink /sys/class/net/{interface}/device/driver)") == "cdc_ether"
        assert "g_ether" in cluster.on(name, "ls /sys/module")
    assert cluster.on("head", "cat /sys/class/net/bramble/address") == plan["bridge_mac"]
    assert "aplus" in cluster.on("head", "ls /sys/class/net")


def test_every_node_resolves_and_reaches_every_other(cluster: Bench) -> None:
    for node in NODES:
        for other in NODES:
            assert "1 received" in cluster.on(node, f"sudo ping -c 1 -W 20 {other}"), (node, other)


def test_a_worker_reaches_the_world_through_the_heads_nat(cluster: Bench) -> None:
    """The world is this machine: QEMU's router leads its own address to our loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(120)
        port = server.getsockname()[1]
        for worker in ("zero1", "aplus"):
            asking = subprocess.Popen(
                [sys.executable, "-m", "pibramble", "exec", "-w", worker, "--", f"cat </dev/tcp/10.0.2.2/{port}"],
                cwd=cluster.folder, env=cluster.environment, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"the world\n")
            assert asking.communicate(timeout=120)[0] == f"{worker}: the world\n"


@pytest.mark.skipif("os.getuid() != 0", reason="plugging a machine into the uplink's network needs root")
def test_the_world_reaches_the_head_and_no_worker(cluster: Bench) -> None:
    head = cluster.on("head", "ip -4 -o address show dev eth0 | tr -s ' ' | cut -d ' ' -f 4 | cut -d / -f 1")
    with world.plugged(cluster.world()):
        world.inside("ip", "route", "add", "192.168.7.0/24", "via", head)
        assert "100% packet loss" not in world.ping(head, count=3)
        for worker in ("192.168.7.2", "192.168.7.4"):
            assert "100% packet loss" in world.ping(worker, count=3)
        # That was the firewall: without it they answer.
        cluster.on("head", "sudo nft delete table inet pibramble")
        try:
            for worker in ("192.168.7.2", "192.168.7.4"):
                assert "100% packet loss" not in world.ping(worker, count=5)
        finally:
            cluster.on("head", "sudo systemctl restart nftables")
        assert "100% packet loss" in world.ping("192.168.7.2", count=3)


def test_neither_root_nor_a_password_opens_the_head(cluster: Bench) -> None:
    common = ["ssh", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-v"]
    reach = ["-o", "NumberOfPasswordPrompts=0", "-p", str(cluster.ssh_port())]
    key = str(cluster.state / "keys" / "user")
    for user, options in (("root", ["-i", key, "-o", "IdentitiesOnly=yes"]), ("pi", ["-o", "PubkeyAuthentication=no"])):
        done = subprocess.run(
            [*common, *reach, *options, f"{user}@127.0.0.1", "true"],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 255
        assert re.search(r"Authentications that can continue: publickey\s", done.stderr), done.stderr[-800:]


def test_neither_root_nor_a_password_opens_a_worker(cluster: Bench) -> None:
    """Asked by the head, with its own key, which opens the worker for the cluster's user."""
    log_in = (
        "ssh -F none -v -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o NumberOfPasswordPrompts=0 "
        "-o ConnectTimeout=60"
    )
    key = "-i /etc/pibramble/user_key -o CertificateFile=/etc/pibramble/user_key-cert.pub -o IdentitiesOnly=yes"
    opened = cluster.run("exec", "-w", "head", "-n", "--", f"{log_in} {key} pi@192.168.7.2 uname -n")
    assert (opened.returncode, opened.stdout.splitlines()[:1]) == (0, ["head: zero1"])
    for who in (f"{key} root@192.168.7.2", "-o PubkeyAuthentication=no pi@192.168.7.2"):
        refused = cluster.run("exec", "-w", "head", "-n", "--", f"{log_in} {who} true")
        assert refused.returncode == 255
        said = refused.stdout + refused.stderr
        assert re.search(r"Authentications that can continue: publickey\s", said), said[-800:]


@pytest.mark.parametrize("node", ["zero1", "aplus"])
def test_a_person_gets_a_shell_on_a_worker(cluster: Bench, node: str) -> None:
    assert cluster.ok("ssh", node, "uname", "-n").strip() == node


@pytest.mark.parametrize("node", ["zero1", "aplus"])
def test_a_workers_chronyd_hears_the_head(cluster: Bench, node: str) -> None:
    """Over USB and PPP. Whether it follows says nothing here: an emulated head's clock is no steady source."""
    heard = r"^\^[*?~] 192\.168\.7\.1 +\d+ +\d+ +(?!0 )\d+ "  # the last is which of the last eight were answered
    deadline = time.monotonic() + 600
    while not re.search(heard, said := cluster.on(node, "chronyc -n sources"), re.MULTILINE):
        assert time.monotonic() < deadline, said
        time.sleep(5)


def test_a_worker_cannot_log_in_to_another(cluster: Bench) -> None:
    log_in = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o ConnectTimeout=60 192.168.7.3 true"
    done = cluster.run("exec", "-w", "zero1", "--", log_in)
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stdout + done.stderr
    assert cluster.on("zero1", "sudo find / -xdev -name user_key -o -xdev -name 'id_*' | grep -v /usr || true") == ""


def test_pi_is_computed_over_usb_and_ppp_at_once(cluster: Bench) -> None:
    said = cluster.ok("run", "-n", "3", str(EXAMPLES / "cpi.c"), "1000000", timeout_s=600)
    assert set(re.findall(r"runs on (\w+)", said)) == {"zero1", "zero2", "aplus"}
    assert "pi is about 3.14159265358" in said


def test_what_the_float_unit_is_worth(cluster: Bench) -> None:
    """The guest's clock counts instructions, so the ratio is one of instructions."""
    cluster.ok("copy", str(EXAMPLES / "cpi.c"), "head:/tmp/cpi.c", timeout_s=300)
    build = "cd /tmp && mpicc -O2 -o vfp cpi.c -lm && /usr/bin/mpicc -O2 -o soft cpi.c -lm && readelf -A vfp soft"
    attributes = cluster.on("head", build, timeout_s=600)
    assert "VFPv2" in attributes.partition("soft")[0]
    seconds = {}
    for name in ("vfp", "soft"):
        said = cluster.on("head", f"cd /tmp && mpiexec -launcher fork -hosts localhost -n 1 ./{name} 300000", 600)
        assert "pi is about 3.141592653" in said
        seconds[name] = float(re.findall(r"rank: ([\d.]+) s", said)[0])
    print(
        f"cpi, 300,000 strips: soft-float {seconds['soft']:.3f} s, softfp {seconds['vfp']:.3f} s of the guest's clock"
    )
    assert seconds["vfp"] < seconds["soft"]


def test_the_command_on_the_head_and_its_start(cluster: Bench) -> None:
    """Pibramble on the card, with the cluster file on the card, for the hardware that this is to it."""
    said = cluster.on("head", "pibramble status", timeout_s=300)
    assert "target: hardware" in said
    assert len(re.findall(r" ok$", said, re.MULTILINE)) == len(NODES)
    clock = "read -r a _ </proc/uptime; {}; read -r b _ </proc/uptime; echo $a $b"
    spent = {}
    for what in ("python3 -c pass", "pibramble --version", "pibramble status"):
        words = cluster.on("head", clock.format(f"{what} >/dev/null"), timeout_s=300).split()
        spent[what] = float(words[-1]) - float(words[-2])
    print(", ".join(f"{what}: {seconds:.2f} s" for what, seconds in spent.items()), "of the guest's clock")
    assert spent["pibramble --version"] < spent["pibramble status"]


def test_a_job_is_started_on_the_head_itself(cluster: Bench) -> None:
    cluster.ok("copy", str(EXAMPLES / "cpi.c"), "head:/tmp/cpi.c", timeout_s=300)
    said = cluster.on("head", "cd /tmp && pibramble run -n 3 cpi.c 100000", timeout_s=900)
    assert set(re.findall(r"runs on (\w+)", said)) == {"zero1", "zero2", "aplus"}


def test_from_a_pc_it_is_hardware_behind_an_address(cluster: Bench) -> None:
    """As boards on the network are: the head looks after its links, and all goes through it."""
    head = f"127.0.0.1:{cluster.ssh_port()}"
    hardware = ("--target", "hardware")
    try:
        said = cluster.run(*hardware, "up", "--head", head, timeout_s=600)
        assert said.returncode == 0, said.stdout + said.stderr
        nodes = json.loads(cluster.ok(*hardware, "status", "--json"))["cluster"]
        assert nodes["target"] == "hardware"
        assert [(node["node"], node["reachable"]) for node in nodes["nodes"]] == [(node, True) for node in NODES]
        names = cluster.ok(*hardware, "exec", "-w", ",".join(NODES), "--", "uname -n").splitlines()
        assert sorted(names) == sorted(f"{node}: {node}" for node in NODES)
        pi = cluster.ok(*hardware, "run", "-n", "3", str(EXAMPLES / "cpi.c"), "100000", timeout_s=600)
        assert set(re.findall(r"runs on (\w+)", pi)) == {"zero1", "zero2", "aplus"}
    finally:
        cluster.ok(*hardware, "down")
    assert cluster.statuses()["zero1"]["reachable"]  # the boards, and the emulator's own connections, stay


@pytest.mark.long  # CI has an hour, bases included; `make test-emulator` runs it
def test_a_compiler_that_needs_more_memory_than_the_head_has_is_named(cluster: Bench, tmp_path: Path) -> None:
    source = tmp_path / "endless.c"
    source.write_text('#include "/dev/zero"\nint main(void) { return 0; }\n')
    began = time.monotonic()
    done = cluster.run("run", "-n", "1", str(source), timeout_s=900)
    print(f"{time.monotonic() - began:.0f} s\n{done.stderr}")
    assert done.returncode == 1
    assert "head ran out of memory while it compiled endless.c: its kernel has ended cc1" in done.stderr
    # The kernel's own log bears it out, and the cluster lives on.
    assert re.search(r"Out of memory: Killed process \d+ \(cc1\)", cluster.on("head", "sudo dmesg"))
    assert all(node["reachable"] for node in cluster.statuses().values())
    assert "runs on zero1" in cluster.ok("run", "-n", "3", str(EXAMPLES / "cpi.c"), "100000", timeout_s=600)


@pytest.mark.long  # CI has an hour, bases included; `make test-emulator` runs it
def test_what_boots_and_for_how_long(cluster: Bench) -> None:
    for node in NODES:
        print(node, cluster.on(node, "sudo systemd-analyze time | head -n 1"))
        print(cluster.on(node, "sudo systemd-analyze blame | head -n 5"))


@pytest.mark.long
def test_bench_measures_every_kind_of_wire_and_says_what_its_figures_are(cluster: Bench) -> None:
    began = time.monotonic()
    said = cluster.ok("bench", "--seconds", "0.1", timeout_s=1700)
    print(f"{time.monotonic() - began:.0f} s\n{said}")
    assert "Emulator figures" in said
    for what in ("cpi, one core of a pi-zero", "ping-pong, usb-usb", "ping-pong, serial-usb", "allreduce, 2 usb"):
        assert what in said
    assert "on the emulator" in said


def test_a_serial_link_that_is_cut_comes_back_by_itself(cluster: Bench) -> None:
    cluster.ok("emulator", "unplug", "--link", "aplus")
    gone = cluster.wait_for("aplus", reachable=False, timeout_s=200)
    assert gone["problem"]
    # The head's own pibramble sees what its kernel and its systemd say: pppd runs on, and is not answered.
    the_head_names(cluster, r"aplus: no link: .*interface aplus", "aplus: nobody answers on /dev/ttyAMA0")
    cluster.ok("emulator", "plug", "--link", "aplus")
    cluster.wait_for("aplus", reachable=True)
    the_head_is_content(cluster)


def test_the_heads_own_up_mends_what_root_can_mend_and_says_so(cluster: Bench) -> None:
    """A failed PPP unit, an interface that is down, a firewall that is gone: real systemd, pppd, cdc_ether and nft."""
    unit = "pibramble-ppp@aplus.service"
    drop_in = f"/run/systemd/system/{unit}.d"
    # Restart=always is quicker than any test: for once systemd leaves the unit as it has failed.
    stays = f"sudo mkdir -p {drop_in} && printf '[Service]\\nRestart=no\\n' | sudo tee {drop_in}/test.conf >/dev/null"
    cluster.on("head", f"{stays} && sudo systemctl daemon-reload")
    try:
        failed = f'until [ "$(sudo systemctl is-active {unit})" = failed ]; do sleep 1; done'
        cluster.on("head", f"sudo systemctl kill --signal=KILL {unit} && {failed}")
        cluster.on("head", "sudo ip link set zero1 down && sudo nft delete table inet pibramble")
        broken = on_head(cluster, "pibramble status")
        assert broken["exit_code"] == 5
        assert "zero1: no link: the interface zero1 is down" in broken["stderr"]
        assert "aplus: no link: there is no interface aplus" in broken["stderr"]
        mended = json.loads(on_head(cluster, "pibramble up --json")["stdout"])
    finally:
        cluster.on("head", f"sudo rm -r {drop_in} && sudo systemctl daemon-reload")
    said = {node["node"]: node["said"] for node in mended["nodes"]}
    # A link that takes longer than `up` waits is called broken, too, and what was done stands behind that.
    assert "the interface zero1 was down: brought up" in said["zero1"]
    assert f"{unit} was failed: restarted" in said["aplus"]
    assert mended["remarks"] == ["the firewall was not loaded: loaded"]
    the_head_is_content(cluster)
    assert "policy drop" in cluster.on("head", "sudo nft list table inet pibramble")
    for worker in ("zero1", "aplus"):
        cluster.wait_for(worker, reachable=True)


@pytest.mark.long  # CI has an hour, bases included; `make test-emulator` runs it
def test_everything_is_back_after_the_head_has_rebooted(cluster: Bench) -> None:
    before = cluster.on("head", "cat /proc/sys/kernel/random/boot_id")
    cluster.run("exec", "-w", "head", "--", "sudo systemctl reboot")
    deadline = time.monotonic() + 900
    while True:
        done = cluster.run("up", timeout_s=900)
        if done.returncode == 0 and cluster.on("head", "cat /proc/sys/kernel/random/boot_id") != before:
            break
        assert time.monotonic() < deadline, done.stderr
        time.sleep(5)
    assert all(node["reachable"] for node in cluster.statuses().values())
    assert "masquerade" in cluster.on("head", "sudo nft list ruleset")
    assert cluster.on("head", "cat /proc/sys/net/ipv4/ip_forward") == "1"
    assert "runs on aplus" in cluster.ok("run", "-n", "3", str(EXAMPLES / "cpi.c"), "1000000", timeout_s=600)


def test_a_worker_that_loses_power_is_named_and_comes_back_by_itself(cluster: Bench) -> None:
    cluster.ok("emulator", "unplug", "zero2")
    gone = cluster.run("status")
    assert gone.returncode == 5
    assert "zero2: not running" in gone.stderr
    # The head has noticed: the interface went with the cable.
    deadline = time.monotonic() + 60
    while "zero2" in cluster.on("head", "ls /sys/class/net"):
        assert time.monotonic() < deadline
    the_head_names(
        cluster,
        "zero2: no link: there is no interface zero2",
        "zero2: no interface zero2: nothing of it is on the USB",
    )
    cluster.ok("emulator", "plug", "zero2")
    # Nobody runs `up`: the head's kernel sees the cable again, networkd puts it into the bridge.
    deadline = time.monotonic() + 600
    while "1 received" not in cluster.run("exec", "-w", "head", "--", "sudo ping -c 1 -W 5 zero2").stdout:
        assert time.monotonic() < deadline
        time.sleep(2)
    cluster.wait_for("zero2", reachable=True)
    the_head_is_content(cluster)


@pytest.mark.long  # CI has an hour, bases included; `make test-emulator` runs it
def test_a_worker_whose_qemu_is_killed_keeps_what_it_wrote_and_up_starts_it_again(cluster: Bench) -> None:
    """Killed from outside, QEMU has no time to tidy up: the disk must be whole all the same, as a card is."""
    noise = "head -c 3000000 /dev/urandom >noise && sync && sha256sum <noise"
    digest = cluster.on("zero1", noise)
    os.kill(qemu(cluster, "zero1"), signal.SIGKILL)
    gone = cluster.run("status")
    assert gone.returncode == 5
    assert "zero1: not running: QEMU was ended by SIGKILL" in gone.stderr
    cluster.ok("up", timeout_s=900)
    assert cluster.on("zero1", "sha256sum <noise; rm noise") == digest
    assert "EXT4-fs error" not in cluster.on("zero1", "sudo dmesg")
    assert cluster.on("zero1", "sudo systemctl --failed --no-legend --plain") == ""
    # Each time that a board started anew its cable was plugged in; what failed besides is counted apart.
    links = cluster.links()
    print({name: (link["plugged"], link["vain"]) for name, link in links.items()})
    assert links["zero1"]["plugged"] - links["zero1"]["vain"] >= 2


def on_head(cluster: Bench, command: str) -> dict[str, Any]:
    """Return what became of a command on the head, whatever its exit code."""
    done = cluster.run("exec", "-w", "head", "-n", "--json", "--", command)
    [outcome] = json.loads(done.stdout)
    assert outcome["exit_code"] is not None, outcome
    found: dict[str, Any] = outcome
    return found


def the_head_names(cluster: Bench, in_status: str, by_up: str) -> None:
    """Wait until the head's own `status` names a broken link, as its kernel sees it; its `up` must name the cause."""
    deadline = time.monotonic() + 200
    while not re.search(in_status, (status := on_head(cluster, "pibramble status"))["stderr"]):
        assert time.monotonic() < deadline, status
        time.sleep(3)
    assert status["exit_code"] == 5
    up = on_head(cluster, "pibramble up")
    assert up["exit_code"] == 5, up
    assert by_up in up["stderr"]
    assert "head and 2 of 3 workers" in up["stderr"]


def the_head_is_content(cluster: Bench) -> None:
    """Wait until the head's own `up` and `status` miss nobody."""
    deadline = time.monotonic() + 400
    while (up := on_head(cluster, "pibramble up"))["exit_code"] != 0:
        assert time.monotonic() < deadline, up
        time.sleep(3)
    assert "head and 3 workers" in up["stderr"]
    assert on_head(cluster, "pibramble status")["exit_code"] == 0


def qemu(cluster: Bench, node: str) -> int:
    """Return the process of a node's machine, which is the keeper's child."""
    keeper = json.loads((cluster.state / "emulator.json").read_text())["keeper"]["pid"]
    children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    [found] = [pid for pid in children if f"emu-{node}" in Path(f"/proc/{pid}/cmdline").read_text().split("\0")]
    return int(found)
