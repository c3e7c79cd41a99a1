"""`pibramble gps` in front of a person: what it prints, how it fails, how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pibramble.console.device import DeviceError
from pibramble.console.model import Settings, State
from pibramble.console.tty import Tty
from pibramble.errors import Exit
from pibramble.gps.framing import sentence
from pibramble.gps.port import opened
from tests.unit.gps.daemons import free_port
from tests.unit.gps.gpsd_logs import OWN
from tests.unit.gps.receivers import receiver
from tests.unit.gps.test_detect import SAYS
from tests.unit.gps.test_protocols import ubx

WALK = str(OWN / "walk.log")
ARGV = (sys.executable, "-m", "pibramble", "--quiet", "gps")


def gps(*words: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*ARGV, *words],
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(words, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_a_log_is_shown_in_words() -> None:
    done = gps("--once", WALK)
    assert done.returncode == Exit.OK, done.stderr
    assert "fix       3D fix, autonomous, 9 satellites" in done.stdout
    assert "position  52.516458° N  13.378293° E" in done.stdout


def test_json_has_a_line_for_each_fix() -> None:
    done = gps("--json", WALK)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 30
    assert lines[0]["fix"]["time"] == "2026-06-21T10:15:00+00:00"


def test_standard_input_is_a_source() -> None:
    done = gps("--once", "--json", "-", stdin=Path(WALK).read_bytes())
    assert json.loads(done.stdout)["fix"]["mode"] == 3


def test_a_log_of_another_language_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "a.ubx").write_bytes(ubx() * 5)
    done = gps("--once", str(tmp_path / "a.ubx"))
    assert done.returncode == Exit.FAILED
    assert "u-blox UBX" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_log_is_said_to_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.log").write_bytes(b"")
    done = gps("--once", str(tmp_path / "empty.log"))
    assert (done.returncode, "no sentence of a receiver" in done.stderr) == (Exit.FAILED, True)


def test_no_gpsd_is_an_answer_with_a_way_on() -> None:
    done = gps("--once", f"127.0.0.1:{free_port()}")
    assert done.returncode == Exit.NOT_UP
    assert "pibramble gps doctor" in done.stderr


def test_a_name_that_is_neither_a_file_nor_a_machine_is_said_to_be_none() -> None:
    done = gps("walk.lgo")
    assert done.returncode == Exit.NOT_UP
    assert "walk.lgo: no file is called so, and no machine either" in done.stderr


@pytest.mark.parametrize(
    "words", [("--once", "--seconds", "0"), ("detect", "/dev/null", "--seconds", "soon"),
              ("replay", WALK, "--wait", "-1"), ("replay", WALK, "--wait", "inf"), ("replay", WALK, "--speed", "nan")],
)  # fmt: skip
def test_a_span_of_time_that_is_none_is_refused(words: tuple[str, ...]) -> None:
    done = gps(*words)
    assert (done.returncode, done.stdout) == (Exit.WRONG, "")
    assert words[-2] in done.stderr


def test_once_fails_where_there_is_no_fix(tmp_path: Path) -> None:
    log = tmp_path / "cold.log"
    log.write_bytes(sentence("GPGGA,,,,,,0,00,99.9,,,,,,") + sentence("GPRMC,,V,,,,,,,,,,N"))
    assert (gps("--once", str(log)).returncode, gps(str(log)).returncode) == (Exit.FAILED, Exit.OK)


def test_a_pipe_that_does_not_end_is_not_waited_for() -> None:
    process = subprocess.Popen([*ARGV, "--once", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=False)
    assert process.stdin is not None
    process.stdin.write(Path(WALK).read_bytes())
    process.stdin.flush()
    assert process.wait(30) == Exit.OK
    said, _ = process.communicate()
    assert b"time      2026-06-21 10:15:00.0 UTC" in said  # the first that is whole


def test_json_ends_when_it_is_to() -> None:
    with receiver(SAYS) as path:
        began = time.monotonic()
        done = gps("--json", path, "--baud", "9600", "--seconds", "1")
    assert done.returncode == Exit.OK
    assert time.monotonic() - began < 30
    assert json.loads(done.stdout.splitlines()[0])["source"]["baud"] == 9600


@pytest.mark.parametrize("verb", ["--once", "detect", "record", "doctor"])
def test_a_port_that_another_program_holds_is_left_alone(verb: str, tmp_path: Path) -> None:
    words = {"record": [str(tmp_path / "a.log"), "--baud", "9600"], "--once": ["--baud", "9600"]}.get(verb, [])
    with receiver(SAYS, 9600) as path:
        held = Tty(path, Settings())  # as the console holds it
        done = gps(verb, path, *words)
        held.close()
        assert done.returncode == Exit.BUSY
        assert f"{path} is in use by another program" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "a.log").exists()
        assert gps("detect", path).returncode == Exit.OK  # as soon as it is let go of


def test_the_console_leaves_a_port_alone_that_a_receiver_is_read_at() -> None:
    with receiver(SAYS, 9600) as path:
        with opened(path, 9600), pytest.raises(DeviceError, match="in use by another program") as raised:
            Tty(path, Settings())
        assert (raised.value.state, raised.value.exit_code) == (State.BUSY, Exit.BUSY)
        Tty(path, Settings()).close()


def test_detect_prints_what_was_heard_at_each_speed() -> None:
    with receiver(SAYS, 4800) as path:
        done = gps("detect", path, "--seconds", "0.8")
    assert done.returncode == Exit.OK, done.stderr
    assert done.stdout.splitlines()[-1] == f"{path}: NMEA 0183 at 4800 baud"
    assert "9600  noise, as from the wrong speed" in done.stdout


def test_the_doctor_tells_a_console_cable_and_fails() -> None:
    with receiver(b"zero1 login: ") as path:
        done = gps("doctor", path, "--seconds", "1")
    assert done.returncode == Exit.FAILED
    assert "carries the console of a computer" in done.stdout


def test_the_doctor_of_a_log_has_no_word_on_its_day() -> None:
    done = gps("doctor", str(OWN / "rolled-over.log"))
    assert done.returncode == Exit.OK
    assert "a 3D fix with 9 satellites" in done.stdout


def test_the_doctor_says_what_a_log_holds_instead(tmp_path: Path) -> None:
    (tmp_path / "a.ubx").write_bytes(ubx() * 5)
    done = gps("doctor", str(tmp_path / "a.ubx"))
    assert (done.returncode, "gpsd, which reads it" in done.stdout) == (Exit.FAILED, True), done.stdout


def test_the_doctor_counts_wrong_checksums_though_a_fix_comes_at_once() -> None:
    with receiver(SAYS.replace(b"\r\n", b"\r\n$GPXXX,1*00\r\n")) as path:
        done = gps("doctor", path, "--seconds", "2")
    assert "50% of the sentences have no right checksum" in done.stdout


def test_record_keeps_what_comes_until_it_is_told_to_end(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with receiver(SAYS) as path:
        process = subprocess.Popen(
            [*ARGV, "record", path, str(log), "--baud", "9600"], stderr=subprocess.PIPE, text=True
        )
        until = time.monotonic() + 20
        while not (log.exists() and log.stat().st_size):
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == Exit.OK, said
    assert log.read_bytes().startswith(SAYS)
    assert "bytes in" in said


def test_replay_gives_a_log_out_to_whoever_opens_the_terminal(tmp_path: Path) -> None:
    link = tmp_path / "receiver"
    argv = [*ARGV, "replay", WALK, "--link", str(link), "--speed", "100", "--loop"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == str(link)
        done = gps("--once", "--json", str(link), "--baud", "9600")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert json.loads(done.stdout)["fix"]["mode"] == 3, done.stderr
    assert process.returncode == Exit.INTERRUPTED
    assert not link.is_symlink()


def test_export_writes_by_the_files_name_and_replaces_nothing(tmp_path: Path) -> None:
    assert gps("export", WALK, str(tmp_path / "a.gpx")).returncode == Exit.OK
    assert gps("export", WALK, str(tmp_path / "a.geojson")).returncode == Exit.OK
    assert (tmp_path / "a.gpx").read_text().startswith("<?xml")
    assert json.loads((tmp_path / "a.geojson").read_text())["type"] == "FeatureCollection"
    again = gps("export", WALK, str(tmp_path / "a.gpx"))
    assert (again.returncode, "--force" in again.stderr) == (Exit.WRONG, True)
    assert gps("export", WALK).stdout.startswith("<?xml")


def test_a_track_without_a_place_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(Path(OWN / "cold-start.log").read_bytes()[:800])
    done = gps("export", str(tmp_path / "a.log"), str(tmp_path / "a.gpx"))
    assert (done.returncode, (tmp_path / "a.gpx").exists()) == (Exit.FAILED, False)


@pytest.mark.parametrize("words", [["--baud", "fast", WALK], ["replay", "--speed", "0", WALK], ["detect"], ["/nosuch"]])
def test_what_makes_no_sense_is_refused(words: list[str]) -> None:
    done = gps(*words)
    assert done.returncode == Exit.WRONG
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("words", "offered"), [("d", "plain,detect"), ("", "plain,watch"), ("detect ex", "file,ex")])
def test_verbs_and_sources_are_completed(words: str, offered: str) -> None:
    line = f"pibramble gps {words}"
    environment = {
        **os.environ,
        "_PIBRAMBLE_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    command = str(Path(sys.executable).with_name("pibramble"))
    done = subprocess.run([command], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert offered in done.stdout.splitlines(), done.stderr


def test_the_live_screen_shows_and_gives_the_terminal_back_on_ctrl_c() -> None:
    with receiver(SAYS + SAYS.replace(b"GPGGA,123519", b"GPGGA,123520")) as path:
        child, master = pty.fork()
        if not child:
            os.environ["TERM"] = "xterm"
            os.execv(ARGV[0], [*ARGV, path, "--baud", "9600"])  # noqa: S606
        seen = _read_until(master, b"position")
        os.write(master, b"\x03")
        seen += _read_until(master, b"\x1b[?1049l")
        _, status = os.waitpid(child, 0)
        os.close(master)
    assert os.waitstatus_to_exitcode(status) == Exit.OK
    assert b"\x1b[?1049h" in seen  # a screen of its own, and back
    assert re.search(rb"\x1b\[\?25h", seen)  # the cursor is there again


def _read_until(master: int, wanted: bytes) -> bytes:
    seen = b""
    until = time.monotonic() + 30
    while wanted not in seen:
        assert time.monotonic() < until, seen[-500:]
        if select.select([master], [], [], 0.5)[0]:
            try:
                seen += os.read(master, 65_536)
            except OSError:
                break
    return seen
