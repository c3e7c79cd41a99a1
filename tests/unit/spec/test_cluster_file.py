"""Finding, reading and judging a cluster file."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pibramble.errors import Exit, Location
from pibramble.spec import new
from pibramble.spec.expand import expand
from pibramble.spec.findings import ClusterFileError, Severity
from pibramble.spec.load import ON_A_HEAD, ClusterFile, decode, find, load, parse
from pibramble.spec.model import Link

SMALL = '[[workers]]\nname = "zero1"\n'


def refusal(path: Path) -> str:
    with pytest.raises(ClusterFileError) as caught:
        load(path)
    assert caught.value.exit_code == Exit.WRONG
    return str(caught.value)


# --- Which file ---


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PIBRAMBLE_FILE", raising=False)
    return tmp_path


def test_the_option_beats_the_variable_beats_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "cluster.toml").write_text(SMALL)
    (folder / "other.toml").write_text(SMALL)
    assert find(None) == Path("cluster.toml")
    monkeypatch.setenv("PIBRAMBLE_FILE", "other.toml")
    assert find(None) == Path("other.toml")
    assert find("third.toml") == Path("third.toml")


@pytest.mark.skipif(Path(ON_A_HEAD).exists(), reason="this machine is the head of a cluster")
def test_when_there_is_none_all_places_are_named(folder: Path) -> None:
    with pytest.raises(ClusterFileError) as caught:
        find(None)
    for expected in ("PIBRAMBLE_FILE", str(folder / "cluster.toml"), ON_A_HEAD, "pibramble new", "-f FILE"):
        assert expected in str(caught.value)


def test_a_variable_that_names_nothing_is_said_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIBRAMBLE_FILE", str(folder / "gone.toml"))
    with pytest.raises(ClusterFileError, match="PIBRAMBLE_FILE names it"):
        find(None)


# --- What cannot be read ---


def test_a_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone.toml").startswith(f"{tmp_path}/gone.toml: there is no such file [file]\n")


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "cluster.toml").write_text(SMALL)
    assert f"did you mean {tmp_path}/cluster.toml?" in refusal(tmp_path)


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(SMALL)
    assert "Not a directory" in refusal(tmp_path / "a" / "cluster.toml")


def test_a_fifo_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    began = time.monotonic()
    assert "is a pipe, not a file" in refusal(tmp_path / "pipe")
    assert time.monotonic() - began < 1


def test_an_endless_device_is_refused_at_once() -> None:
    assert "is a device, not a file" in refusal(Path("/dev/zero"))


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as stream:
        stream.truncate(1 << 40)  # sparse
    assert "is larger than 1 MiB" in refusal(tmp_path / "huge")


def test_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert "Too many levels of symbolic links" in refusal(tmp_path / "loop")


def test_a_program_instead_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"name = 1\n# \x00")
    assert refusal(tmp_path / "x").startswith(f"{tmp_path}/x:2:3: this is no text: there is a NUL byte (byte 12 of the")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_another_encoding_is_named_with_its_place(tmp_path: Path, mark: bytes) -> None:
    (tmp_path / "x").write_bytes(mark + "# é\nname = 'caf".encode() + b"\xe9'\n")
    said = refusal(tmp_path / "x")
    assert ":2:12: this is no text: the byte 0xe9 is no UTF-8" in said
    assert "save it as UTF-8" in said


def test_utf_16_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(SMALL, encoding="utf-16")
    assert "is a text in UTF-16 [file]\n  save it as UTF-8" in refusal(tmp_path / "x")


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    file = load(tmp_path / "x")
    assert file.locate("workers", 0, "name") == Location(str(tmp_path / "x"), 2, 8)


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the tests of root go on as nobody for a moment."""
    file = tmp_path / "secret.toml"
    file.write_text(SMALL)
    file.chmod(0)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)  # nobody may not walk there, but may be there
    root = os.geteuid() == 0
    if root:
        os.seteuid(65_534)
    try:
        said = refusal(Path("secret.toml"))
    finally:
        if root:
            os.seteuid(0)
    assert said == "secret.toml: you may not read this file [file]\n  `ls -l secret.toml` shows who may"


# --- What comes out ---


@pytest.mark.parametrize("name", new.templates())
def test_every_template_is_a_sound_cluster(name: str) -> None:
    file = parse(new.render(name), Path("cluster.toml"))
    assert file.findings == ()
    assert expand(file.cluster)


def test_an_id_may_be_all_digits() -> None:
    """A random one is, now and then."""
    assert parse(new.render("xmas", identity="14186686"), Path("c.toml")).findings == ()


def test_the_issues_own_cluster() -> None:
    cluster = parse(new.render("xmas"), Path("cluster.toml")).cluster
    workers = expand(cluster)
    assert [worker.name for worker in workers] == ["zero1", "zero2", "zero3", "zero4", "aplus"]
    assert [worker.link for worker in workers] == [Link.USB] * 4 + [Link.SERIAL]
    assert workers[-1].head_port == "/dev/ttyAMA0"
    assert workers[-1].baud == 921_600
    assert str(cluster.cluster.subnet) == "192.168.7.0/24"
    assert cluster.head.board == "pi-1b"


def test_the_smallest_file_is_a_cluster() -> None:
    file = parse(SMALL, Path("cluster.toml"))
    assert [worker.name for worker in expand(file.cluster)] == ["zero1"]
    assert file.findings == ()


def test_places_can_be_asked_for_later() -> None:
    file = parse('[head]\nboard = "pi-3b"\n\n' + SMALL, Path("c.toml"))
    assert str(file.locate("workers", 0, "name")) == "c.toml:5:8"
    assert str(file.locate("head", "uplink")) == "c.toml:1:2"  # a default: its section
    assert str(file.locate("cluster", "subnet")) == "c.toml"


def test_errors_come_in_the_order_of_the_file_with_their_places() -> None:
    text = '[lab]\ndisk_mb = "1"\nworld = 3\n\n[head]\nboard = "pi-9"\nnope = 1\n'
    with pytest.raises(ClusterFileError) as caught:
        parse(text, Path("c.toml"))
    found = caught.value.findings
    assert [(finding.where.line, finding.rule) for finding in found if finding.where.line] == [
        (2, "wrong-type"),
        (3, "wrong-type"),
        (6, "unknown-board"),
        (7, "unknown-key"),
    ]
    assert caught.value.where == Location("c.toml", 0, 0)  # the missing workers come first: they are nowhere
    assert str(caught.value).endswith("5 errors")


def test_warnings_do_not_stop_anything() -> None:
    file = parse(SMALL + "baud = 115200\n", Path("c.toml"))
    assert [(finding.severity, finding.rule) for finding in file.findings] == [(Severity.WARNING, "no-effect")]


@pytest.mark.parametrize("depth", [50, 200, 330, 480, 2000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a=", "}")])
def test_brackets_in_brackets(depth: int, opening: str, closing: str) -> None:
    with pytest.raises(ClusterFileError):
        parse(f"x = {opening * depth}1{closing * depth}\n" + SMALL, Path("c.toml"))


def test_a_file_full_of_mistakes_is_judged_at_once_and_not_told_without_end() -> None:
    text = SMALL + "".join(f"mistake{number} = 1\n" for number in range(20_000))
    began = time.process_time()
    with pytest.raises(ClusterFileError) as caught:
        parse(text, Path("c.toml"))
    said = str(caught.value)
    assert time.process_time() - began < 30
    assert said.endswith("... and 19,900 more\n\n20,000 errors")


def test_what_stands_in_the_file_cannot_reach_the_terminal() -> None:
    with pytest.raises(ClusterFileError) as caught:
        parse('[[workers]]\nname = "a\\u001b]0;x\\u0007\\nb"\nboard = "' + "x" * 5000 + '"\n', Path("c.toml"))
    said = str(caught.value)
    assert "\x1b" not in said
    assert "\x07" not in said
    assert len(said) < 2000


def test_a_thousand_nodes_load_at_once() -> None:
    text = '[cluster]\nsubnet = "10.7.0.0/16"\n[head]\nboard = "pc"\n' + "".join(
        f'[[workers]]\nname = "n{i}"\nboard = "pi-1b"\nlink = "serial"\nhead_port = "/dev/ttyUSB{i}"\n'
        for i in range(1000)
    )
    began = time.process_time()
    file = parse(text, Path("c.toml"))
    assert len(expand(file.cluster)) == 1000
    assert time.process_time() - began < 1  # takes 0.06 s on an idle PC


# --- Whatever the bytes: a cluster, or a refusal in words ---


def judged(data: bytes) -> ClusterFile | ClusterFileError:
    try:
        return parse(decode(data, "c.toml"), Path("c.toml"))
    except ClusterFileError as error:
        assert error.findings  # noqa: PT017 (the error is what is looked at)
        assert str(error).startswith("c.toml")  # noqa: PT017
        return error


@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    judged(data)


WORDS = [
    *(
        "[",
        "]",
        "[[",
        "]]",
        "=",
        '"',
        "'",
        '"""',
        "\n",
        "#",
        ",",
        ".",
        "{",
        "}",
        "\\",
        "\0",
        "\r",
        "true",
        "1",
        "-1",
        "1e9",
        "nan",
    ),
    *(
        "[cluster]",
        "[head]",
        "[[workers]]",
        "[workers]",
        "[nodes.zero1]",
        "[nodes]",
        "[lab]",
        "1979-05-27",
        "é",
        "[1-99999999]",
    ),
    *(
        "name = ",
        "board = ",
        "link = ",
        "head_port = ",
        "baud = ",
        "address = ",
        "subnet = ",
        "world = ",
        "mac = ",
        "user = ",
    ),
    *(
        '"pi-zero"',
        '"serial"',
        '"192.168.7.1"',
        '"0.0.0.0/0"',
        '"255.255.255.255/32"',
        '"zero[1-2"',
        "[]",
        "{}",
        "[[]]",
        "[{}]",
    ),
    *('uplink_address = "255.255.255.255/32"', 'address = "255.255.255.250"', 'uplink_gateway = "255.255.255.255"'),
]


@st.composite
def mutated_templates(draw: st.DrawFn) -> bytes:
    text = new.render(draw(st.sampled_from([*new.templates()])), identity="0")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        gone = draw(st.integers(0, 12))
        text = text[:at] + draw(st.sampled_from(WORDS)) + text[at + gone :]
    return text.encode()


@settings(max_examples=300, deadline=None)
@given(mutated_templates())
def test_mutated_templates(data: bytes) -> None:
    judged(data)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*WORDS, "\n", "\n", " "]), max_size=25).map("".join))
def test_shuffled_words_of_a_cluster_file(text: str) -> None:
    judged(text.encode())


values = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.floats(),
        st.dates(),
        st.text(max_size=3),
        st.sampled_from(["pi-zero", "10.0.0.0/30"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["name", "zero1", "mac"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return (
            '"'
            + "".join(f"\\U{ord(character):08x}" for character in value if not 0xD800 <= ord(character) < 0xE000)
            + '"'
        )
    return str(value).lower() if isinstance(value, bool) else str(value)


KEYS = [
    f"{section}.{key}"
    for section in ("cluster", "head", "lab", "nodes.zero1")
    for key in ("name", "subnet", "world", "mac", "baud")
]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["workers", "cluster", "nodes", "x", *KEYS]), values, max_size=4))
def test_any_type_of_value_anywhere(data: dict[str, object]) -> None:
    judged("\n".join(f"{key} = {toml(value)}" for key, value in data.items()).encode())
