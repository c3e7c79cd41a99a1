"""What the order to end a command does on a node. In a world of its own: a mistake would end all of this machine."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pibramble.operate import ending
from pibramble.operate.launch import INTERRUPT_SCRIPT

LABEL = "PIBRAMBLE_EXEC=0123456789abcdef"

# The first process of that world: it starts two more, one of them with the label, gives the order, and says which of
# them lived on.
NODE = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
label, _, value = sys.stdin.readline().strip().partition("=")
order = sys.stdin.read()
started = {
    "labelled": subprocess.Popen(["sleep", "100"], env={label: value}, start_new_session=True),
    "other": subprocess.Popen(["sleep", "100"], start_new_session=True),
}
done = subprocess.run(["sh", "-c", sys.argv[1]], input=order, text=True, start_new_session=True)
for process in started.values():
    try:
        process.wait(0.3)
    except subprocess.TimeoutExpired:
        pass
print(done.returncode, *(name for name, process in started.items() if process.returncode is None))
"""


def left_over(script: str, order: str) -> str:
    words = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
    words += [sys.executable, "-c", NODE, script]
    done = subprocess.run(words, input=f"{LABEL}\n{order}", capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("script", [ending.END_SCRIPT, INTERRUPT_SCRIPT], ids=["end", "interrupt"])
def test_what_carries_the_label_is_ended_and_nothing_else(script: str) -> None:
    assert left_over(script, f"{LABEL}\n") == "0 other"


@pytest.mark.parametrize("script", [ending.END_SCRIPT, INTERRUPT_SCRIPT], ids=["end", "interrupt"])
@pytest.mark.parametrize("order", ["", "\n", "PIBRAMBLE_EXEC=", LABEL[:-4]])
def test_an_order_that_did_not_arrive_ends_nothing(script: str, order: str) -> None:
    """The connection was closed before the label was there; every process matches the empty word."""
    assert left_over(script, order) == "2 labelled other"
