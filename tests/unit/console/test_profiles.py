"""Profiles: those that come along are sound, a person's own go over them, mistakes are said at their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibramble.console import profiles
from pibramble.console.model import Break, Confirm, Enter, Send, Settings, WaitFor
from pibramble.console.profiles import ProfileError, UnknownProfileError


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path


def test_the_profiles_that_come_along_can_all_be_read(own: Path) -> None:
    found = profiles.load_all(own)
    assert set(found) == {"raw", "linux", "raspberry-pi", "cisco-ios", "cisco-rommon"}
    assert found["cisco-ios"].settings == Settings(9600)
    assert found["cisco-ios"].enter is Enter.CR
    assert 0.25 <= found["cisco-rommon"].break_seconds <= 0.5


def test_a_profile_like_another_says_only_what_is_different(own: Path) -> None:
    (own / "lab-switch.toml").write_text(
        'like = "cisco-ios"\nsettings = "115200"\n'
        '[[buttons]]\nname = "save"\nsteps = [{ send = "wr\\n" }]\n'
        '[[buttons]]\nname = "odd"\nlabel = "Odd"\n'
        'steps = [{ confirm = "Sure?" }, { break = 0.4 }, { wait_for = "ok", timeout_seconds = 3 }, { break = true }]\n'
    )
    profile, like = profiles.load("lab-switch", own), profiles.load("cisco-ios", own)
    assert profile.settings == Settings(115200)
    assert profile.prompts == like.prompts
    saves = [button for button in profile.buttons if button.name == "save"]
    assert [button.steps for button in saves] == [(Send("wr\n"),)]
    odd = profile.button("odd")
    assert odd
    assert odd.steps == (Confirm("Sure?"), Break(0.4), WaitFor("ok", 3), Break(None))


def test_an_own_one_over_its_namesake_may_be_like_it(own: Path) -> None:
    (own / "raw.toml").write_text('like = "raw"\nenter = "cr-nul"\n')
    assert profiles.load("raw", own).enter is Enter.CR_NUL


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('title = "x"\nspeed = 9600\n', ":2:1", "unknown key `speed`"),
        ('settings = "fast"\n', ":1:12", "no speed and framing"),
        ('title = "x"\nprompts = ["ok", "("]\n', ":2:18", "no regular expression"),
        ('[[buttons]]\nname = "b"\nsteps = [{ send = "x", break = true }]\n', ":3:10", "one of send, wait_for"),
        ("break_seconds = 0\n", ":1:17", "seconds are expected"),
        ('like = "nothing"\n', ":1:8", "no profile"),
        ("[[buttons\n", "", "no TOML"),
    ],
)
def test_mistakes_are_said_at_their_line(own: Path, text: str, place: str, words: str) -> None:
    (own / "mine.toml").write_text(text)
    with pytest.raises(ProfileError, match=words) as raised:
        profiles.load("mine", own)
    assert str(raised.value).startswith(f"{own / 'mine.toml'}{place}")


def test_two_profiles_like_each_other_are_no_endless_loop(own: Path) -> None:
    (own / "a.toml").write_text('like = "b"\n')
    (own / "b.toml").write_text('like = "a"\n')
    with pytest.raises(ProfileError, match="like the other"):
        profiles.load("a", own)


def test_a_misspelt_name_is_answered_with_the_nearest(own: Path) -> None:
    with pytest.raises(UnknownProfileError, match=r'did you mean "cisco-ios"'):
        profiles.load("cisco-isos", own)
