"""What a serial link costs, counted in bytes at the relay: no clock is in it, so a busy machine changes nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.emulator.bench import EXAMPLES, Bench, noise

pytestmark = [pytest.mark.emulator, pytest.mark.timeout(1800)]

PAYLOAD_BYTES = 1_000_000
LEAST_PAYLOAD = 0.94
SAMPLE_BYTES = 300_000  # for comparing
ENDS = {"aplus": "head", "head": "aplus"}  # who has which peer; the worker first, which is reached over the link
TIMESTAMPS = "sudo sysctl -q -w net.ipv4.tcp_timestamps="

# What pppd would do without the plan's options, and packets of another size: pppd(8). The last of two lines counts.
UNTUNED = {
    "no header compression": ("novj", "noaccomp", "nopcomp"),
    "all control characters escaped": ("default-asyncmap",),
    "MRU 296": ("mtu 296", "mru 296"),
}


def test_a_megabyte_over_ppp_is_payload_by_94_per_cent(cluster: Bench, tmp_path: Path) -> None:
    """Escapes, frames, headers, SSH and all."""
    assert payload_share(cluster, tmp_path, PAYLOAD_BYTES) >= LEAST_PAYLOAD


@pytest.mark.long  # CI has an hour, bases included; `make test-emulator` runs it
def test_what_tuning_is_worth(cluster: Bench, tmp_path: Path) -> None:
    """The plan's settings beside others, at the same link: none of them carries more, and none a message for less."""
    tuned = payload_share(cluster, tmp_path, SAMPLE_BYTES), message_bytes(cluster)
    print(f"as planned: {tuned[0]:.1%}, {tuned[1]:.1f} bytes a message", flush=True)
    for name, context in (
        ("TCP timestamps", timestamps(cluster)),
        *((name, pppd_options(cluster, options)) for name, options in UNTUNED.items()),
    ):
        with context:
            share, message = payload_share(cluster, tmp_path, SAMPLE_BYTES), message_bytes(cluster)
        print(f"{name}: {share:.1%}, {message:.1f} bytes a message", flush=True)
        assert share < tuned[0]
        assert message > 1.1 * tuned[1] or name.startswith("MRU")  # one packet of any MRU holds it


def payload_share(cluster: Bench, folder: Path, payload_bytes: int) -> float:
    """Return how much of what the wire carries to the worker is a file that is copied there."""
    sent = noise(folder, payload_bytes)
    before = cluster.links()["aplus"]
    cluster.ok("copy", str(sent), "aplus:/tmp/noise", timeout_s=600)
    after = cluster.links()["aplus"]
    wire_bytes: int = after["to_worker_bytes"] - before["to_worker_bytes"]
    back_bytes = after["to_head_bytes"] - before["to_head_bytes"]
    print(
        f"payload {payload_bytes}, wire {wire_bytes} ({payload_bytes / wire_bytes:.1%}), back {back_bytes}", flush=True
    )
    assert cluster.on("aplus", "wc -c </tmp/noise; rm /tmp/noise") == str(payload_bytes)
    return payload_bytes / wire_bytes


def message_bytes(cluster: Bench) -> float:
    """Return what an MPI message of one byte puts on the wire, both ways counted.

    It is the difference between two runs, so that what starts a job does not count.
    """
    runs: list[tuple[int, int]] = []
    for seconds in ("0.5", "0.5", "4"):  # the first one sends the program
        before = cluster.links()["aplus"]
        words = ("run", "-w", "zero1,aplus", "-n", "2", str(EXAMPLES / "pingpong.c"), "1", seconds)
        said = cluster.ok(*words, timeout_s=600)
        after = cluster.links()["aplus"]
        throws = int(re.findall(r"^ +1 +(\d+)", said, re.MULTILINE)[0])
        runs.append((throws, sum(after[way] - before[way] for way in ("to_worker_bytes", "to_head_bytes"))))
    _, (few, few_bytes), (many, many_bytes) = runs
    assert many > few
    return (many_bytes - few_bytes) / (many - few) / 2


@contextmanager
def timestamps(cluster: Bench) -> Iterator[None]:
    """Have TCP's timestamps on the serial link while the block runs."""
    cluster.on("aplus", f"{TIMESTAMPS}1")
    reconnect(cluster)
    try:
        yield
    finally:
        cluster.on("aplus", f"{TIMESTAMPS}0")
        reconnect(cluster)


def reconnect(cluster: Bench) -> None:
    """Have connections made anew: those that are open stay as they were agreed."""
    cluster.run("exec", "-w", "aplus", "--", "sudo pkill -x sshd-session")
    time.sleep(5)  # until ssh has seen it
    cluster.wait_for("aplus", reachable=True)


@contextmanager
def pppd_options(cluster: Bench, options: tuple[str, ...]) -> Iterator[None]:
    """Have both ends of the serial link run with other options while the block runs."""
    lines = "".join(f"{option}\\n" for option in options)
    for node, peer in ENDS.items():
        cluster.on(node, f"sudo cp -p /etc/ppp/peers/{peer} /run/peer-as-planned")
        cluster.on(node, f"printf '{lines}' | sudo tee -a /etc/ppp/peers/{peer} >/dev/null")
    try:
        restart(cluster)
        yield
    finally:
        for node, peer in ENDS.items():
            cluster.on(node, f"sudo mv /run/peer-as-planned /etc/ppp/peers/{peer}")
        restart(cluster)


def restart(cluster: Bench) -> None:
    """Start both ends anew, and wait for the link that they make."""
    index = "cat /sys/class/net/aplus/ifindex 2>/dev/null || true"
    before = cluster.on("head", index)
    for node, peer in ENDS.items():
        cluster.on(node, f"sudo systemctl restart --no-block pibramble-ppp@{peer}.service")
    deadline = time.monotonic() + 300
    while cluster.on("head", index) in {"", before}:
        assert time.monotonic() < deadline
        time.sleep(3)
    cluster.wait_for("aplus", reachable=True)
