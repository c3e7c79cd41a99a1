"""`pibramble console` alone: what there is, whoever serves it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.console.lines import Serve, Wire, until

CLUSTER = """\
[cluster]
name = "bench"

[[workers]]
name = "zero[1-2]"

[[consoles]]
name = "sw1"
port = "{port}"
"""


def test_the_last_line_outlives_the_broker(wire: Wire, serve: Serve) -> None:
    with wire.at_far_end() as far:
        os.write(far, b"Router>enable\r\nRouter# ")
        until(lambda: "Router#" in serve.pibramble("console").stdout)
        serve.end(signal.SIGKILL)
        serve.start()
        assert "Router#" in serve.pibramble("console").stdout


def test_a_lab_that_is_not_up_is_said_once(wire: Wire, serve: Serve, tmp_path: Path) -> None:
    serve.end()
    (tmp_path / "cluster.toml").write_text(CLUSTER.format(port=wire.device.resolve()))
    serve.start()
    with wire.at_far_end() as far:
        os.write(far, b"Router# \r\n")
        until(lambda: "Router#" in serve.pibramble("console").stdout)
    served = serve.pibramble("console")
    serve.end()
    down = "the lab of bench is not up, so its nodes have no consoles: `pibramble up`"
    assert served.stderr.splitlines() == [down]
    assert "zero2" in served.stdout
    alone = serve.pibramble("console")
    assert alone.stderr.splitlines() == [
        "no broker runs (`pibramble serve`): nobody knows what the lines say now",
        down,
    ]
    assert "Router#" in alone.stdout
