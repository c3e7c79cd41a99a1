"""Lines and files go to a switch's console from a script: the answer alone is printed, the exit code says the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import termios
import time

from pibramble.errors import Exit
from tests.console.automation.conftest import Place
from tests.console.automation.ios import At
from tests.unit.console.benches import wait_until


def test_the_answer_is_printed_without_echo_and_prompt(logged_in: Place) -> None:
    done = logged_in.run("sw1", "--send", "show version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Cisco IOS Software, C2960 Software")
    assert done.stdout.endswith("Configuration register is 0xF\n")
    assert "sw1#" not in done.stdout


def test_a_login_is_a_matter_of_several_lines(place: Place) -> None:
    done = place.run("sw1", "--send", "", "--send", "ada", "--send", "lovelace", "--send", "show clock")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(time.strftime(" %Y", time.gmtime()))


def test_a_pager_that_waits_is_named_after_the_time_is_over(logged_in: Place) -> None:
    done = logged_in.run("sw1", "--send", "show running-config", "--timeout", "2")
    assert (done.returncode, done.stdout) == (Exit.TIMEOUT, "")
    assert "waited 2 s for a prompt" in done.stderr
    assert "--More--" in done.stderr
    assert "terminal length 0" in done.stderr


def test_with_the_pager_off_all_of_it_comes(logged_in: Place) -> None:
    done = logged_in.run("sw1", "--send", "terminal length 0", "--send", "show running-config")
    assert done.returncode == 0
    assert "people write them when they have a lot to say" in done.stdout
    assert done.stdout.endswith("end\n")


def waiting(place: Place, *words: str) -> subprocess.Popen[str]:
    """Start something that waits for what never comes; return when it has sent its line."""
    before = len(place.switch.ios.commands)
    first = place.start("sw1", "--send", "show clock", "--until", "never", "--timeout", "60", *words)
    wait_until(lambda: len(place.switch.ios.commands) > before, 30)
    return first


def test_whoever_has_control_keeps_it_unless_it_is_taken(logged_in: Place) -> None:
    with logged_in.broker():
        first = waiting(logged_in)
        second = logged_in.run("sw1", "--send", "show version")
        assert second.returncode == Exit.BUSY
        assert "in the shell, a program has control of sw1" in second.stderr
        assert "--take takes it over" in second.stderr
        third = logged_in.run("sw1", "--send", "show version", "--take")
        assert third.returncode == 0, third.stderr
        assert "Cisco IOS Software" in third.stdout
        _, said = first.communicate(timeout=10)
        assert first.returncode == Exit.BUSY
        assert "has taken control of sw1: it was broken off" in said


def test_without_a_broker_the_device_itself_is_held(logged_in: Place) -> None:
    first = waiting(logged_in)
    second = logged_in.run("sw1", "--send", "show version")
    assert second.returncode == Exit.BUSY
    assert f"{logged_in.switch.path} is in use by another program" in second.stderr
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=10)
    assert (first.returncode, said.strip()) == (Exit.INTERRUPTED, "pibramble: interrupted")
    assert logged_in.run("sw1", "--send", "show clock").returncode == 0


def test_a_broker_that_ends_ends_the_wait(logged_in: Place) -> None:
    with logged_in.broker() as broker:
        first = waiting(logged_in)
        broker.kill()
        _, said = first.communicate(timeout=10)
        assert first.returncode == Exit.FAILED
        assert "the broker has ended" in said


def test_a_profile_without_prompts_needs_an_until(logged_in: Place) -> None:
    done = logged_in.run("sw1", "--profile", "raw", "--send", "show clock")
    assert done.returncode == Exit.WRONG
    assert 'the profile "raw" knows no prompt' in done.stderr
    assert "--until REGEX" in done.stderr


def test_an_until_that_is_no_regular_expression_is_said_before_anything_is_sent(logged_in: Place) -> None:
    done = logged_in.run("sw1", "--send", "reload", "--until", "(")
    assert done.returncode == Exit.WRONG
    assert "--until (: this is no regular expression" in done.stderr
    assert logged_in.switch.ios.commands == []


def test_a_device_that_is_not_there_is_no_riddle(place: Place) -> None:
    (place.folder / "cluster.toml").write_text(
        (place.folder / "cluster.toml").read_text().replace(place.switch.path, "/dev/ttyUSB77")
    )
    done = place.run("sw1", "--send", "x")
    assert done.returncode == Exit.NOT_UP
    assert "sw1 is absent" in done.stderr


def test_a_file_is_sent_line_by_line_and_its_echo_compared(logged_in: Place) -> None:
    file = logged_in.folder / "vlan.cfg"
    file.write_text("configure terminal\nhostname sw2\nvlan 10\n name bench\nend\n")
    done = logged_in.run("sw1", "--send-file", file)
    assert done.returncode == 0, done.stderr
    assert logged_in.switch.ios.hostname == "sw2"
    assert logged_in.switch.ios.at is At.EXEC


def test_a_file_whose_echo_is_missing_stops_at_that_line(place: Place) -> None:
    place.switch.ios.at = At.PASSWORD
    file = place.folder / "a.cfg"
    file.write_text("configure terminal\nreload\n")
    done = place.run("sw1", "--send-file", file)
    assert done.returncode == Exit.FAILED
    assert "line 1 did not come back as it was sent; nothing after it was sent" in done.stderr
    assert place.switch.ios.commands == []


CRTSCTS = 0o20000000000  # asm-generic/termbits.h


def test_other_settings_are_taken_where_no_broker_runs(logged_in: Place) -> None:
    done = logged_in.run("sw1", "--settings", "9600 8N1 rtscts", "--send", "show clock")
    assert (done.returncode, done.stderr) == (0, "")
    assert flow_of(logged_in)


def test_other_settings_for_a_brokers_line_are_taken_and_said(logged_in: Place) -> None:
    with logged_in.broker():
        done = logged_in.run(logged_in.switch.path, "--settings", "9600 8N1 rtscts", "--send", "show clock")
        assert done.returncode == 0, done.stderr
        assert done.stderr == "sw1: 9600 8N1 rtscts from now on, until its broker ends\n"
        assert flow_of(logged_in)
        assert "9600 8N1 rtscts" in logged_in.run("list").stdout
        again = logged_in.run("sw1", "--settings", "9600 8N1 rtscts", "--send", "show clock")
        assert (again.returncode, again.stderr) == (0, "")


def flow_of(place: Place) -> bool:
    fd = os.open(place.switch.path, os.O_RDWR | os.O_NOCTTY)
    try:
        return bool(termios.tcgetattr(fd)[2] & CRTSCTS)
    finally:
        os.close(fd)


def test_another_profile_for_a_brokers_line_is_refused(place: Place) -> None:
    with place.broker():
        for wanted in ("sw1", place.switch.path):
            served = place.run(wanted, "--profile", "raw", "--send", "show clock")
            assert served.returncode == Exit.WRONG
            assert 'a broker serves sw1 with the profile "cisco-ios"' in served.stderr
        assert place.run("sw1", "--profile", "cisco-ios", "--send", "").returncode == 0


def test_settings_that_are_none_are_refused_alike_everywhere(place: Place) -> None:
    alone = place.run("sw1", "--settings", "fast", "--send", "x")
    with place.broker():
        served = place.run("sw1", "--settings", "fast", "--send", "x")
    assert (alone.returncode, served.returncode) == (Exit.WRONG, Exit.WRONG)
    assert '"fast" is no speed and framing' in alone.stderr
    assert alone.stderr == served.stderr


def test_what_is_not_there_ends_alike_with_a_broker_and_without(place: Place) -> None:
    def codes() -> list[int]:
        absent = str(place.folder / "ttyUSB7")
        return [place.run(port, "--send", "x").returncode for port in (absent, "sw2")]

    alone = codes()
    with place.broker():
        served = codes()
    assert alone == served == [Exit.NOT_UP, Exit.WRONG]
