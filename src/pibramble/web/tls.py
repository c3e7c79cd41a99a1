"""The certificate of the pages: signed by an authority of our own, made by openssl(1), kept in the state folder.

The authority may vouch for names and addresses of private networks alone (RFC 5280, 4.2.1.10): a phone that trusts it
trusts it for nothing else. Its dates are fixed, and the certificate is renewed once the clock was set: boards wake up
in 1970.
"""

from __future__ import annotations

import hashlib
import json
import re
import ssl
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import attrs

from pibramble import paths, proc
from pibramble.errors import UsageError
from pibramble.web.listen import Listen

AUTHORITY = "authority.crt"
_AUTHORITY_KEY = "authority.key"
_CERTIFICATE, _KEY = "server.crt", "server.key"

_AUTHORITY_DAYS = ("20250101000000Z", "20550101000000Z")
_OLDEST_NOW = datetime(2026, 1, 1, tzinfo=UTC)  # a clock that says less was never set
_LASTS = timedelta(days=390)  # phones take at most 825 days from authorities that people install
_RENEW_BEFORE = timedelta(days=30)

# Names that mean something in a private network only: RFC 6762, RFC 8375, and what home routers hand out.
_PRIVATE_NAMES = ("localhost", "local", "home.arpa", "internal", "lan", "home")
_PRIVATE_NETWORKS = (
    "127.0.0.0/255.0.0.0", "10.0.0.0/255.0.0.0", "172.16.0.0/255.240.0.0", "192.168.0.0/255.255.0.0",
    "169.254.0.0/255.255.0.0", "100.64.0.0/255.192.0.0",
    "::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fc00::/fe00::", "fe80::/ffc0::",
)  # fmt: skip

_CONFIGURATION = """\
[ca]
default_ca = this
[this]
new_certs_dir = .
database = index.txt
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = subject
prompt = no
[subject]
CN = {subject}
[authority]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
nameConstraints = critical, @allowed
[allowed]
{allowed}
[server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
authorityKeyIdentifier = keyid
subjectAltName = @names
[names]
{names}
"""


@attrs.frozen
class Certificate:
    """What the server shows: files in PEM, and who signed."""

    chain: Path
    key: Path
    authority: Path | None = None  # None: somebody brought the certificate
    names: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Return the authority's SHA-256 fingerprint, as phones and browsers show it; else the certificate's own."""
        shown = self.authority or self.chain
        try:
            first = shown.read_text(encoding="ascii").partition("-----END CERTIFICATE-----")
            der = ssl.PEM_cert_to_DER_cert("".join(first[:2]) + "\n")
        except (OSError, ValueError) as error:
            raise UsageError(f"{shown}: no certificate in PEM ({error})") from None
        return _colons(hashlib.sha256(der).hexdigest())


def ensure(folder: Path, names: Sequence[str], now: datetime | None = None) -> Certificate:
    """Return the certificate for these names and addresses; make or renew what is missing, old or for others.

    Raises UsageError for a public address, MissingError without openssl.
    """
    _refuse_public(names)
    paths.make_private(folder)
    now = max(now or datetime.now(UTC), _OLDEST_NOW)
    made = Certificate(folder / _CERTIFICATE, folder / _KEY, folder / AUTHORITY, tuple(names))
    if not (folder / _AUTHORITY_KEY).exists() or not (folder / AUTHORITY).exists():
        _make_authority(folder, names[0])
    elif _is_good(made, now):
        return made
    _make_certificate(folder, names, now)
    if not _verifies(made, now):  # this machine has another name now, for which the authority may not vouch
        _make_authority(folder, names[0])
        _make_certificate(folder, names, now)
    return made


def names_for(listen: Listen) -> tuple[str, ...]:
    """Return the names and addresses that browsers may call this machine by."""
    import socket

    host = re.sub(r"[^a-z0-9-]", "-", socket.gethostname().partition(".")[0].lower()) or "head"
    found = {host: None, f"{host}.local": None, "localhost": None}
    for address in _addresses() if listen.every else [str(listen.address)]:
        found[address] = None
    return tuple(found)


def _addresses() -> list[str]:
    """Return this machine's addresses, but not those that mean something on one wire only."""
    shown = json.loads(proc.run(["ip", "-json", "address", "show", "up"]).stdout or "[]")
    every = [ip_address(info["local"]) for link in shown for info in link.get("addr_info", ()) if "local" in info]
    return sorted(str(address) for address in every if not (address.version == 6 and address.is_link_local))  # noqa: PLR2004


def _refuse_public(names: Sequence[str]) -> None:
    for name in names:
        try:
            address = ip_address(name)
        except ValueError:
            continue
        shared = address.version == 4 and str(address).startswith("100.")  # noqa: PLR2004 (RFC 6598, of providers and VPNs)
        if address.is_global and not shared:
            raise UsageError(
                f"{name} is a public address, and this authority is for private ones",
                hint="give a certificate that the world trusts: --certificate FILE --key FILE",
            )


def _is_good(certificate: Certificate, now: datetime) -> bool:
    """Tell whether the certificate is for these names, signed by this authority, and lasts."""
    if not (certificate.chain.exists() and certificate.key.exists()):
        return False
    shown = proc.run(
        ["openssl", "x509", "-in", str(certificate.chain), "-noout", "-dates", "-ext", "subjectAltName"], check=False
    )
    dates = dict(re.findall(r"^(notBefore|notAfter)=(.+)$", shown.stdout, re.MULTILINE))
    if shown.returncode or len(dates) < 2:  # noqa: PLR2004
        return False
    start, end = (
        datetime.fromtimestamp(ssl.cert_time_to_seconds(dates[key]), UTC) for key in ("notBefore", "notAfter")
    )
    has = {_plain(name) for name in re.findall(r"(?:DNS|IP Address):([^,\s]+)", shown.stdout)}
    ours = certificate.authority and certificate.authority.read_text(encoding="ascii") in certificate.chain.read_text(
        encoding="ascii"
    )
    return bool(ours) and {_plain(name) for name in certificate.names} <= has and start <= now < end - _RENEW_BEFORE


@attrs.frozen
class _Order:
    """What a new certificate says, and how openssl-ca(1) is told who signs."""

    subject: str
    kind: str  # a section of the configuration
    start: str
    end: str
    by: tuple[str, ...]
    names: tuple[str, ...] = ()


def _verifies(certificate: Certificate, now: datetime) -> bool:
    at = str(int(now.timestamp()))
    argv = ["openssl", "verify", "-attime", at, "-CAfile", str(certificate.authority), str(certificate.chain)]
    return proc.run(argv, check=False).returncode == 0


def _make_authority(folder: Path, host: str) -> None:
    subject = f"pibramble on {host}"
    key, signed = _sign(folder, _Order(subject, "authority", *_AUTHORITY_DAYS, by=("-selfsign", "-keyfile", "key")))
    paths.write_private(folder / _AUTHORITY_KEY, key)
    paths.write_private(folder / AUTHORITY, signed, 0o644)


def _make_certificate(folder: Path, names: Sequence[str], now: datetime) -> None:
    authority = (folder / AUTHORITY).resolve()
    by = ("-cert", str(authority), "-keyfile", str((folder / _AUTHORITY_KEY).resolve()))
    start, end = (f"{day:%Y%m%d%H%M%SZ}" for day in (now - timedelta(days=1), now + _LASTS))
    key, signed = _sign(folder, _Order(names[0], "server", start, end, by, tuple(names)))
    paths.write_private(folder / _KEY, key)
    paths.write_private(folder / _CERTIFICATE, signed + authority.read_text(encoding="ascii"), 0o644)


def _sign(folder: Path, order: _Order) -> tuple[str, str]:
    """Return a new key and its certificate, in PEM."""
    host = order.subject.rpartition(" ")[2]
    allowed = [f"permitted;DNS.{at} = {name}" for at, name in enumerate((host, *_PRIVATE_NAMES))]
    allowed += [f"permitted;IP.{at} = {network}" for at, network in enumerate(_PRIVATE_NETWORKS)]
    listed = [f"{_kind(name)}.{at} = {name}" for at, name in enumerate(order.names)]
    text = _CONFIGURATION.format(subject=order.subject, allowed="\n".join(allowed), names="\n".join(listed))
    signing = ("-extensions", order.kind, "-startdate", order.start, "-enddate", order.end, *order.by)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as name:
        scratch = Path(name)
        (scratch / "index.txt").touch()
        (scratch / "openssl.cnf").write_text(text, encoding="ascii")
        for argv in (
            ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "key"),
            ("req", "-new", "-config", "openssl.cnf", "-key", "key", "-out", "request"),
            ("ca", "-batch", "-notext", "-config", "openssl.cnf", *signing, "-in", "request", "-out", "signed"),
        ):
            proc.run(["openssl", *argv], cwd=scratch, timeout_s=120)
        return (scratch / "key").read_text(encoding="ascii"), (scratch / "signed").read_text(encoding="ascii")


def _kind(name: str) -> str:
    try:
        ip_address(name)
    except ValueError:
        return "DNS"
    return "IP"


def _plain(name: str) -> str:
    """Return a name in one spelling: openssl writes IPv6 addresses in capitals and in full."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name.lower()


def _colons(text: str) -> str:
    return ":".join(text[at : at + 2] for at in range(0, len(text), 2)).upper()
