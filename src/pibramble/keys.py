"""The cluster's keys: made once by ssh-keygen, kept in the state folder, read ever after.

The layout, below `keys/` in the cluster's state folder; folders are 0700, private keys 0600:

ca, ca.pub                                          the certificate authority; its private half never leaves this folder
user, user.pub, user-cert.pub                       the head's key to every node
hosts/NODE, hosts/NODE.pub, hosts/NODE-cert.pub     each node's host key
.lock                                               held while keys are made
.making-*                                           where ssh-keygen writes; gone when it is done

Keys are kept for good, those of nodes that left the cluster too. Certificates are signed anew whenever they no longer
say what the plan says (a name, an address, the user). No certificate expires: the boards have no clock to tell by.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

import attrs

from pibramble import locks, openssh, paths, proc
from pibramble.errors import Exit, PibrambleError
from pibramble.files.model import HostKey, Keyring
from pibramble.plan.model import NodePlan, Plan
from pibramble.progress import Progress

_LOCK_WAIT_S = 60  # a thousand keys take less
_SCRATCH = ".making-"

# What the head's user may do on a node: a terminal, and (where the node's sshd agrees) be a way through to another one.
_USER_EXTENSIONS = ("permit-port-forwarding", "permit-pty")


class KeyFileError(PibrambleError):
    """A key file that pibramble did not make, that is damaged, or that others can read."""


@attrs.frozen
class _Wanted:
    """A key that must be there, and what its certificate must say."""

    path: Path  # of the private half
    comment: str
    principals: tuple[str, ...]
    host: bool

    @property
    def public_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.pub")

    @property
    def certificate_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}-cert.pub")

    @property
    def extensions(self) -> tuple[str, ...]:
        return () if self.host else _USER_EXTENSIONS


@attrs.frozen
class _Pair:
    """A key pair as text."""

    private: str
    public: str
    blob: bytes  # the public half, decoded


def ensure(plan: Plan, folder: Path, progress: Progress) -> Keyring:
    """Read the cluster's keys from its state folder; make those that are missing, sign what has changed.

    Raises KeyFileError for a file that is not ours, damaged or open to others, BusyError when another pibramble makes
    keys for a minute, MissingError without ssh-keygen.
    """
    _refuse_work_tree(folder)
    keys = folder / "keys"
    try:
        for private in (folder, keys, keys / "hosts"):
            _refuse_open(paths.make_private(private))
        with locks.held(keys / ".lock", "keys", patience_s=_LOCK_WAIT_S):
            return _ensure(plan, keys, progress)
    except PermissionError as error:
        message = f"{error.filename}: no permission to read or write the cluster's keys"
        hint = f"they belong in the hands of {paths.owner().pw_name}: sudo chown -R {paths.owner().pw_name} {keys}"
        raise PibrambleError(message, hint=hint, exit_code=Exit.MISSING) from None


def _ensure(plan: Plan, keys: Path, progress: Progress) -> Keyring:
    _sweep(keys)
    ca_path = keys / "ca"
    ca = _read_pair(ca_path) or _make_pair(ca_path, f"pibramble CA of {plan.name}")
    user = _Wanted(keys / "user", f"{plan.user} of {plan.name}", (plan.user,), host=False)
    hosts = [_wanted_host(keys, plan, node) for node in plan.nodes]
    ready: dict[Path, HostKey] = {}
    unready = []
    for wanted in (user, *hosts):
        found = _read(wanted, ca)
        if found is None:
            unready.append(wanted)
        else:
            ready[wanted.path] = found
    if unready:
        with progress.step("Making keys", total=len(unready), unit="keys") as step:
            for wanted, made in _make_all(unready, ca_path):
                ready[wanted.path] = made
                step.advance(note=wanted.path.name)
    of_user = ready[user.path]
    return Keyring(
        ca_public=ca.public,
        user_private=of_user.private,
        user_public=of_user.public,
        user_certificate=of_user.certificate,
        hosts={node.name: ready[wanted.path] for node, wanted in zip(plan.nodes, hosts, strict=True)},
    )


def _wanted_host(keys: Path, plan: Plan, node: NodePlan) -> _Wanted:
    return _Wanted(keys / "hosts" / node.name, f"{node.name} of {plan.name}", (node.name, str(node.address)), host=True)


# --- Reading ---------------------------------------------------------------------------------------------------------


def _read(wanted: _Wanted, ca: _Pair) -> HostKey | None:
    """Return a key whose certificate says what it must; None when something has to be made."""
    pair = _read_pair(wanted.path)
    if pair is None:
        return None
    try:
        text = wanted.certificate_path.read_text(encoding="ascii")
        found = openssh.certificate(text)
    except (FileNotFoundError, UnicodeDecodeError, openssh.FormatError):
        return None  # a certificate holds nothing that cannot be signed again
    must = openssh.Certificate(pair.blob, ca.blob, wanted.host, wanted.principals, wanted.extensions, lasting=True)
    return HostKey(pair.private, pair.public, text) if found == must else None


def _read_pair(path: Path) -> _Pair | None:
    """Return the key pair at `path`, None when there is no private half. Raises KeyFileError."""
    try:
        private = path.read_text(encoding="ascii", errors="replace")
        _refuse_open(path)
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        raise _not_ours(path, "is a directory") from None
    try:
        blob = openssh.private_key_public(private)
    except openssh.FormatError as error:
        raise _not_ours(path, str(error)) from None
    public_path = path.with_name(f"{path.name}.pub")
    try:
        public = public_path.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:  # the last run was interrupted between the two halves
        public = openssh.public_line(blob, path.name)
        paths.write_private(public_path, public, 0o644)
    try:
        if openssh.public_key(public) != blob:
            raise _public_is_wrong(public_path, "belongs to another private key")
    except openssh.FormatError as error:
        raise _public_is_wrong(public_path, str(error)) from None
    return _Pair(private, public, blob)


def _not_ours(path: Path, why: str) -> KeyFileError:
    message = f"{path}: this key file {why}"
    away = f"move it away (mv {path} {path}.broken); the next run makes a new key"
    return KeyFileError(message, hint=f"{away}\nnodes that already have the old one need their files again after that")


def _public_is_wrong(path: Path, why: str) -> KeyFileError:
    message = f"{path}: this public key {why}"
    return KeyFileError(message, hint=f"remove it (rm {path}); the next run takes it from the private key")


def _refuse_open(path: Path) -> None:
    """Raise KeyFileError when others may look into a private file or folder."""
    mode = path.stat().st_mode
    if stat.S_IMODE(mode) & 0o077:
        wanted = "700" if stat.S_ISDIR(mode) else "600"
        message = f"{path}: other people of this machine can read it (mode {stat.S_IMODE(mode):03o})"
        raise KeyFileError(message, hint=f"chmod {wanted} {path}")


def _refuse_work_tree(folder: Path) -> None:
    """Raise KeyFileError when the keys would lie where a careless `git add` finds them."""
    if os.environ.get("PIBRAMBLE_STATE"):
        return  # somebody chose this folder
    resolved = folder.resolve()
    tree = next((parent for parent in (resolved, *resolved.parents) if (parent / ".git").exists()), None)
    if tree is not None:
        message = f"{folder}: the cluster's private keys would lie in the git work tree {tree}"
        raise KeyFileError(message, hint="set PIBRAMBLE_STATE to a folder outside of it", exit_code=Exit.WRONG)


# --- Making ----------------------------------------------------------------------------------------------------------


def _make_all(wanted: Sequence[_Wanted], ca: Path) -> Iterator[tuple[_Wanted, HostKey]]:
    pool = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        futures = {pool.submit(_make, one, ca): one for one in wanted}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _make(wanted: _Wanted, ca: Path) -> HostKey:
    """Make the key unless there is one, and sign it."""
    pair = _read_pair(wanted.path) or _make_pair(wanted.path, wanted.comment)
    certificate = _sign(wanted, pair, ca)
    return HostKey(pair.private, pair.public, certificate)


def _make_pair(path: Path, comment: str) -> _Pair:
    with _scratch(path.parent) as scratch:
        made = scratch / path.name
        proc.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(made)])
        private, public = made.read_text("ascii"), made.with_name(f"{path.name}.pub").read_text("ascii")
    paths.write_private(path, private)  # first: the public half can be had from it
    paths.write_private(path.with_name(f"{path.name}.pub"), public, 0o644)
    return _Pair(private, public, openssh.public_key(public))


def _sign(wanted: _Wanted, pair: _Pair, ca: Path) -> str:
    options = ["-h"] if wanted.host else ["-O", "clear", *(f"-O{extension}" for extension in wanted.extensions)]
    with _scratch(wanted.path.parent) as scratch:
        public = scratch / f"{wanted.path.name}.pub"
        public.write_text(pair.public, encoding="ascii")
        says = ["-I", wanted.comment, "-n", ",".join(wanted.principals), *options]
        proc.run(["ssh-keygen", "-q", "-s", str(ca), *says, str(public)])
        certificate = (scratch / wanted.certificate_path.name).read_text("ascii")
    paths.write_private(wanted.certificate_path, certificate, 0o644)
    return certificate


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=folder))
    paths.give_to_owner(scratch)  # under sudo: so that its owner can clear up what an interrupted root left
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch)


def _sweep(keys: Path) -> None:
    """Remove what an interrupted run left; the lock is held, so nobody is at work on it."""
    for folder in (keys, keys / "hosts"):
        for path in folder.glob(".?*"):
            if path.name.startswith(_SCRATCH):
                shutil.rmtree(path)
            elif path.name != ".lock":
                path.unlink()
