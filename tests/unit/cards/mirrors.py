"""A mirror of Debian with three packages, signed, in a folder: apt itself reads it."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from pathlib import Path

import attrs

from pibramble.cards.mirror import Source
from tests.unit.cards.disks import run

_PACKAGES = {
    "apt": "",
    "base-files": "Essential: yes\n",
    "mpich": "Depends: libmpich12\n",
    "libmpich12": "",
}


@attrs.frozen
class Mirror:
    """Where it is, and the public half of what signs it."""

    folder: Path
    gnupg: Path
    keyring: Path

    def source(self, suite: str = "trixie", *, optional: bool = False, alias: str = "") -> Source:
        return Source(f"file:{self.folder}", suite, ("main",), self.keyring, optional=optional, alias=alias)

    def publish(
        self, suite: str, codename: str, packages: Sequence[str] = tuple(_PACKAGES), version: str = "4.2.1"
    ) -> None:
        """Write the index of a suite, and sign it."""
        home = self.folder / "dists" / suite
        binary = home / "main" / "binary-armel"
        binary.mkdir(parents=True, exist_ok=True)
        index = "\n".join(
            f"Package: {name}\nVersion: {version}\nArchitecture: armel\n{_PACKAGES[name]}Installed-Size: 1000\n"
            f"Maintainer: nobody <nobody@example.org>\nFilename: pool/{name}.deb\nSize: 10\nSHA256: {'0' * 64}\n"
            for name in packages
        ).encode()
        files = {"main/binary-armel/Packages": index, "main/binary-armel/Packages.gz": gzip.compress(index, mtime=0)}
        for name, data in files.items():
            (home / name).write_bytes(data)
        sums = "".join(f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n" for name, data in files.items())
        release = (
            f"Origin: Debian\nSuite: {suite}\nCodename: {codename}\nDate: Sat, 12 Sep 2026 07:55:41 UTC\n"
            f"Architectures: armel\nComponents: main\nSHA256:\n{sums}"
        )
        (home / "Release").write_text(release)
        run(
            "gpg",
            "--homedir",
            self.gnupg,
            "--batch",
            "--yes",
            "--clearsign",
            "-o",
            home / "InRelease",
            home / "Release",
        )

    def spoil(self, suite: str) -> None:
        """Make the packages' index another one than the signed one, as a mirror has it half way through a sync."""
        for name in ("Packages", "Packages.gz"):
            path = self.folder / "dists" / suite / "main" / "binary-armel" / name
            path.write_bytes(path.read_bytes()[:-20])


def make_mirror(folder: Path) -> Mirror:
    gnupg, keyring = folder / "gnupg", folder / "keys.gpg"
    gnupg.mkdir(mode=0o700)
    gpg = ("gpg", "--homedir", gnupg, "--batch", "--quiet")
    run(*gpg, "--passphrase", "", "--quick-generate-key", "Mirror <mirror@example.org>", "ed25519", "sign", "never")
    run(*gpg, "--export", "--output", keyring)
    run("gpgconf", "--homedir", gnupg, "--kill", "gpg-agent")
    return Mirror(folder / "debian", gnupg, keyring)
