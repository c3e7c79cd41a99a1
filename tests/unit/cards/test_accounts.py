"""Accounts on a card: the same as the real systemd-sysusers would make."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pibramble.cards.accounts import FILES, AccountError, Ids, apply, ids
from pibramble.files import console, users
from pibramble.files.model import NodeFile
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, ConsoleSection
from tests.unit.cards import disks

BASE = {
    "/etc/passwd": disks.PASSWD,
    "/etc/group": disks.GROUP,
    "/etc/shadow": disks.SHADOW,
    "/etc/gshadow": disks.GSHADOW,
}


def config() -> str:
    (file,) = [
        entry
        for entry in users.account(resolve(Cluster()))
        if isinstance(entry, NodeFile) and "sysusers.d" in entry.path
    ]
    return file.content


def as_systemd_does(text: str, base: dict[str, str], folder: Path) -> dict[str, str]:
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("systemd-sysusers is not installed")
    for path, content in base.items():
        target = folder / path.lstrip("/")
        target.parent.mkdir(exist_ok=True)
        target.write_text(content)
    file = folder / "pibramble.conf"
    file.write_text(text)
    argv = ["systemd-sysusers", f"--root={folder}", str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {path: (folder / path.lstrip("/")).read_text() for path in base}


def facts(files: dict[str, str]) -> dict[str, set[tuple[str, ...]]]:
    """Return the lines of each file as fields; of shadow the name alone: the real one notes the day."""
    kept = {"/etc/shadow": 2, "/etc/gshadow": 4}
    return {
        path: {tuple(line.split(":")[: kept.get(path, 9)]) for line in text.splitlines()}
        for path, text in files.items()
    }


def test_like_the_real_program(tmp_path: Path) -> None:
    assert facts(apply(config(), BASE)) == facts(as_systemd_does(config(), BASE, tmp_path))


def test_like_the_real_program_where_the_group_is_taken(tmp_path: Path) -> None:
    base = {**BASE, "/etc/group": disks.GROUP + "pi:x:1234:\n", "/etc/gshadow": disks.GSHADOW + "pi:!::\n"}
    assert facts(apply(config(), base)) == facts(as_systemd_does(config(), base, tmp_path))


def test_an_account_that_is_there_is_kept() -> None:
    line = "pi:x:1234:1234:Pi:/home/pi:/bin/sh\n"
    done = apply(config(), {**BASE, "/etc/passwd": disks.PASSWD + line, "/etc/group": disks.GROUP + "pi:x:1234:\n"})
    assert done["/etc/passwd"] == disks.PASSWD + line
    assert ids(done["/etc/passwd"])["pi"] == Ids(1234, 1234)


def test_doing_it_twice_changes_nothing() -> None:
    once = apply(config(), BASE)
    assert apply(config(), once) == once


def test_a_number_that_somebody_else_has_is_told() -> None:
    with pytest.raises(AccountError, match="account alarm with the number 1000") as caught:
        apply(config(), {**BASE, "/etc/passwd": disks.PASSWD + "alarm:x:1000:1000::/home/alarm:/bin/bash\n"})
    assert 'user = "alarm"' in caught.value.hint


def test_a_base_without_accounts_and_lines_that_are_not_ours() -> None:
    with pytest.raises(AccountError, match="no /etc/passwd"):
        apply("", {path: text for path, text in BASE.items() if path != FILES[0]})
    with pytest.raises(AccountError, match="not understood: g x -"):
        apply("g x -", BASE)


FIRST = {
    "/etc/passwd": disks.PASSWD + "pi:x:1000:1000:,,,:/home/pi:/usr/sbin/nologin\n",
    "/etc/group": disks.GROUP + "sudo:x:27:pi,other\npi:x:1000:\n",
    "/etc/shadow": disks.SHADOW + "pi:$y$secret:20000:0:99999:7:::\n",
    "/etc/gshadow": disks.GSHADOW + "sudo:*::pi\npi:!::\n",
}


@pytest.mark.parametrize("name", ["pi", "anna"])
def test_the_first_user_of_an_image_becomes_ours_and_keeps_its_groups(name: str) -> None:
    line = f'u {name} 1000 "pibramble" /home/{name} /bin/bash\nm {name} dialout\n'
    done = apply(line, FIRST, adopt=True)
    assert done["/etc/passwd"] == disks.PASSWD + f"{name}:x:1000:1000:pibramble:/home/{name}:/bin/bash\n"
    assert f"sudo:x:27:{name},other\n{name}:x:1000:\n" in done["/etc/group"]
    assert f"dialout:x:20:{name}\n" in done["/etc/group"]
    assert f"sudo:*::{name}\n{name}:!::\n" in done["/etc/gshadow"]
    assert f"\n{name}:$y$secret" in done["/etc/shadow"]
    assert name == "pi" or "pi:" not in "".join(done.values())
    assert apply(line, done, adopt=True) == done


def test_a_user_of_that_name_with_another_number_is_kept_as_it_is() -> None:
    mine = "anna:x:1234:1234::/home/anna:/bin/sh\n"
    done = apply(
        'u anna 1000 "" /home/anna /bin/bash', {**FIRST, "/etc/passwd": FIRST["/etc/passwd"] + mine}, adopt=True
    )
    assert done["/etc/passwd"] == FIRST["/etc/passwd"] + mine


def test_a_services_account_has_a_number_of_the_systems_as_the_real_program_gives_it(tmp_path: Path) -> None:
    """All accounts of a head that serves consoles; which of the system's numbers each gets is nobody's business."""
    cluster = Cluster(consoles=(ConsoleSection(name="sw1", port="/dev/ttyUSB0"),))
    files = [entry for entry in console.head(resolve(cluster)) if isinstance(entry, NodeFile)]
    (service,) = [file.content for file in files if "sysusers.d" in file.path]
    text = service + config()
    ours, real = apply(text, BASE), as_systemd_does(text, BASE, tmp_path)
    entry = {line.split(":")[0]: line.split(":") for line in ours["/etc/passwd"].splitlines()}[console.ACCOUNT]
    assert entry[2] == entry[3]
    assert 100 <= int(entry[2]) <= 999
    assert len({line.split(":")[2] for line in ours["/etc/passwd"].splitlines()}) == len(
        ours["/etc/passwd"].splitlines()
    )
    assert len({line.split(":")[2] for line in ours["/etc/group"].splitlines()}) == len(ours["/etc/group"].splitlines())

    def without_numbers(path: str, texts: dict[str, str]) -> set[tuple[str, ...]]:
        """Return the lines without the system's numbers, and members in any order."""
        lines = [re.sub(r":9\d\d(?=:)", ":N", line).rpartition(":") for line in texts[path].splitlines()]
        return {(before, *sorted(last.split(","))) for before, _, last in lines}

    for path in ("/etc/passwd", "/etc/group"):
        assert without_numbers(path, ours) == without_numbers(path, real)
