"""Where Debian's packages come from: the mirror that this machine itself uses, or one that is given.

The machine's own sources are read in both of apt's forms (sources.list(5)); of a Debian mirror only its address and
keyring are taken, and the suites are those of the release that a card gets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import attrs

from pibramble.errors import MissingError, UsageError

APT_FOLDER = Path("/etc/apt")
KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
)

_SUITE = re.compile(r"(?P<release>[a-z]+)(?P<pocket>-updates|-security|-backports|/updates)?$")
_RELEASES = ("buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid")
_DEBIAN = frozenset([*_RELEASES, "oldoldstable", "oldstable", "stable", "testing", "unstable"])
_SCHEMES = ("http://", "https://", "file:/")
# What comes after a release's name, by what it carries; `/updates` is how security was called up to buster.
_POCKETS = {None: "", "-security": "security", "/updates": "security", "-updates": "updates", "-backports": "backports"}


@attrs.frozen
class Source:
    """One line of where packages come from."""

    uri: str
    suite: str
    components: tuple[str, ...]
    keyring: Path
    optional: bool = False  # updates: a base can be made without them
    alias: str = ""  # the mirror's other name for the same suite

    def deb822(self, keyring: Path | None = None) -> str:
        """Return it in apt's newer form."""
        return (
            f"Types: deb\nURIs: {self.uri}\nSuites: {self.suite}\nComponents: {' '.join(self.components)}\n"
            f"Signed-By: {keyring or self.keyring}\n"
        )


@attrs.frozen
class _Entry:
    """What one source of this machine says."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str


def sources(
    release: str, components: Sequence[str], mirror: str = "", *, alias: str = "", apt_folder: Path = APT_FOLDER
) -> tuple[Source, ...]:
    """Return the sources of a Debian release. `mirror`: the address of one, instead of this machine's own.

    `alias` is the release's other name on mirrors, such as `stable`.

    Raises UsageError for an address that is none; MissingError where there is no Debian mirror or no keyring.
    """
    if mirror:
        if not mirror.startswith(_SCHEMES):
            raise UsageError(f"{mirror} is no address of a mirror", hint="it begins with http://, https:// or file:/")
        main, security = _Entry(mirror.rstrip("/"), release, (), ""), None
    else:
        main, security = _own(apt_folder)
    keyring = _keyring(main.signed_by)
    parts = tuple(components)
    return (
        Source(main.uri, release, parts, keyring, alias=alias),
        Source(main.uri, f"{release}-updates", parts, keyring, optional=True),
        # Most mirrors have it beside the archive; where this one does not, the base is made without.
        Source(
            security.uri if security else f"{main.uri}-security", f"{release}-security", parts, keyring, optional=True
        ),
    )


def _own(apt_folder: Path) -> tuple[_Entry, _Entry | None]:
    """Return this machine's sources of Debian's archive and of its security updates."""
    entries = [entry for entry in _entries(apt_folder) if _is_debian(entry)]
    main = next((entry for entry in entries if not _pocket(entry)), None)
    if main is None:
        raise MissingError(
            f"the apt sources of this machine name no mirror of Debian ({apt_folder})",
            hint="give the address of one: `pibramble card build --mirror ADDRESS`",
        )
    return main, next((entry for entry in entries if _pocket(entry) == "security"), None)


def _is_debian(entry: _Entry) -> bool:
    """Say whether it is Debian's archive: third parties have suites of the same names, and a `main` too.

    Debian's archive ends in /debian at every mirror, or is signed by the keys of Debian's own package.
    """
    match = _SUITE.match(entry.suite)
    named = match is not None and match["release"] in _DEBIAN and "main" in entry.components
    address = re.search(r"/debian(?:-security)?$", entry.uri) is not None
    return named and entry.uri.startswith(_SCHEMES) and (address or "debian-archive-keyring" in entry.signed_by)


def _pocket(entry: _Entry) -> str:
    match = _SUITE.match(entry.suite)
    return _POCKETS[match["pocket"]] if match else ""


def _keyring(signed_by: str) -> Path:
    """Return a keyring that apt can use: the source's own, else Debian's as its package installs it."""
    own = [Path(signed_by)] if signed_by.startswith("/") else []
    for path in [*own, *KEYRINGS]:
        if path.is_file():
            return path
    raise MissingError(
        "the keys that Debian signs its packages with are not on this machine",
        hint="sudo apt-get install debian-archive-keyring",
    )


def _entries(folder: Path) -> Iterator[_Entry]:
    """Yield all binary sources of this machine, in apt's order."""
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for file in files:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:  # not there, a folder, or not for us to read
            continue
        if file.suffix == ".sources":
            yield from _stanzas(text)
        elif file.suffix == ".list":
            yield from _lines(text.splitlines())


def _stanzas(text: str) -> Iterator[_Entry]:
    """Read deb822(5): fields, each of which may go on in indented lines; stanzas are parted by empty lines."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields = {
            match["name"].lower(): match["value"].split()
            for match in re.finditer(r"^(?P<name>[A-Za-z-]+):(?P<value>.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if "deb" not in fields.get("types", []) or fields.get("enabled", ["yes"])[:1] in (["no"], ["false"], ["0"]):
            continue
        signed_by = " ".join(fields.get("signed-by", []))
        for uri in fields.get("uris", []):
            for suite in fields.get("suites", []):
                yield _Entry(uri.rstrip("/"), suite, tuple(fields.get("components", [])), signed_by)


_LINE = re.compile(r"^\s*deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s*(?P<components>[^#]*)")


def _lines(lines: Iterable[str]) -> Iterator[_Entry]:
    """Read apt's older form, one source a line."""
    for line in lines:
        if match := _LINE.match(line):
            signed_by = re.search(r"signed-by=(\S+)", match["options"] or "")
            components = tuple(match["components"].split())
            yield _Entry(match["uri"].rstrip("/"), match["suite"], components, signed_by[1] if signed_by else "")
