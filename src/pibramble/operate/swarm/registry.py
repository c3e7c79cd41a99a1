"""The registry on the head: what is in it, how images are called there, taking some away (publish.py brings them)."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence

import attrs

from pibramble.errors import BusyError, MissingError, NotUpError, PibrambleError, UsageError
from pibramble.files.registry import FOLDER, UNIT, WRITER
from pibramble.operate.execute import execute
from pibramble.operate.swarm.health import LEAST_DISK_MB, Complaint
from pibramble.operate.swarm.manager import failure
from pibramble.plan.model import Plan
from pibramble.targets.base import Connections

_LOOK_TIMEOUT_S = 30.0
_REMOVE_TIMEOUT_S = 600.0  # all that is left is read once
MAKE_ROOM = "`pibramble swarm image list`, then `pibramble swarm image remove NAME` for what nobody needs"
# https://distribution.github.io/distribution/spec/api/, "Pulling an image", and its tags
_NAME = re.compile(
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
)
_HUB = ("docker.io", "index.docker.io")
BUSY = 75  # exit code of a script that waited for another push in vain (sysexits.h, EX_TEMPFAIL)
LOCK = (
    *("sudo", "-n", "flock", "--timeout", "600", "--conflict-exit-code", str(BUSY)),
    "/run/pibramble-registry.lock",
)

# bash, for its /dev/tcp: boards have no curl.
_LOOK = """
command -v docker-registry >/dev/null && echo "installed yes"
ask() { exec 3<>"/dev/tcp/${1%:*}/${1#*:}" && printf 'GET /v2/ HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q ' 200 ' <&3; }
ask "$1" 2>/dev/null && echo "answers yes"
[ -d "$2" ] || exit 0
echo "disk $(df -Pk -- "$2" | awk 'NR == 2 {print $4}')"
echo "used $(du -sk -- "$2" | cut -f 1)"
cd "$2/docker/registry/v2" 2>/dev/null || exit 0
find repositories -path '*/_manifests/tags/*/current/link' | sort | while read -r link; do
    name=${link#repositories/} name=${name%/current/link} digest=$(cat "$link")
    hex=${digest#sha256:}
    printf 'image %s:%s %s ' "${name%/_manifests/tags/*}" "${name##*/}" "$digest"
    tr -d '\\n' <"blobs/sha256/${hex:0:2}/$hex/data"
    echo
done
"""
# For scripts that have $storage, $config and $log. The registry runs as its storage's owner, never as root. `sweep`
# takes away what a push that broke off has left: its pieces, and layers that belong to no image.
FUNCTIONS = """
owner=$(stat -c %U "$storage") group=$(stat -c %G "$storage")
as_owner() { setpriv --reuid "$owner" --regid "$group" --clear-groups "$@"; }
sweep() {
    cd "$storage/docker/registry/v2" 2>/dev/null || return 0
    find repositories -type d -name _uploads -prune -exec rm -rf {} + 2>/dev/null
    as_owner docker-registry garbage-collect --delete-untagged "$config" >"$log" 2>&1
}
"""
# A name that is not there ends it before anything is taken away.
_REMOVE = f"""
storage=$1 config=$2
shift 2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{FUNCTIONS}
repositories=$storage/docker/registry/v2/repositories
for image; do
    [ -d "$repositories/${{image%:*}}/_manifests/tags/${{image##*:}}" ] || {{ echo "missing $image"; exit 4; }}
done
for image; do
    repository=$repositories/${{image%:*}}
    rm -rf "$repository/_manifests/tags/${{image##*:}}"
    [ -z "$(ls "$repository/_manifests/tags")" ] || continue
    rm -rf "$repository/_manifests" "$repository/_layers" "$repository/_uploads"
    rmdir -p --ignore-fail-on-non-empty "$repository"
done
as_owner mkdir -p "$repositories"
sweep || {{ cat "$log" >&2; exit 1; }}
"""


@attrs.frozen
class Kept:
    """An image in the registry."""

    name: str  # as a stack calls it: web:1
    digest: str  # of its manifest
    size_bytes: int  # compressed, as it is sent to nodes; layers that it shares with others are counted


@attrs.frozen
class RegistryLook:
    """How the registry is."""

    address: str
    installed: bool
    answers: bool
    images: tuple[Kept, ...] = ()
    used_bytes: int = 0
    disk_free_mb: int | None = None


def look(plan: Plan, connections: Connections) -> RegistryLook:
    """Ask the head how its registry is. Raises PibrambleError where the head does not answer."""
    address = _address(plan)
    command = shlex.join(["sudo", "-n", "bash", "-c", _LOOK, "bash", address, FOLDER])
    outcome = execute(connections, [plan.head.name], command, timeout_s=_LOOK_TIMEOUT_S)[plan.head.name]
    if outcome.exit_code is None:
        raise failure(outcome)
    return read(address, outcome.stdout.decode(errors="replace"))


def read(address: str, said: str) -> RegistryLook:
    """Read the head's answer."""
    lines = [line.split(" ", 1) for line in said.splitlines() if " " in line]
    words = {key: rest for key, rest in lines if key != "image"}
    return RegistryLook(
        address,
        installed="installed" in words,
        answers="answers" in words,
        images=tuple(_kept(address, rest) for key, rest in lines if key == "image"),
        used_bytes=int(words.get("used", 0)) * 1024,
        disk_free_mb=int(words["disk"]) // 1024 if "disk" in words else None,
    )


def judge(plan: Plan, found: RegistryLook) -> tuple[Complaint, ...]:
    """Return what is wrong with the registry."""
    head = plan.head.name
    on = f"pibramble exec -w {head} --"
    if not found.installed:
        cure = f"{on} sudo apt-get install -y docker-registry"
        return (Complaint(head, "it has no registry: docker-registry is not installed", cure, stops=True),)
    if not found.answers:
        cure = f"{on} sudo systemctl restart {UNIT}; in the lab, `pibramble up`"
        return (Complaint(head, f"its registry does not answer at {found.address}", cure, stops=True),)
    if found.disk_free_mb is not None and found.disk_free_mb < LEAST_DISK_MB:
        said = f"{found.disk_free_mb} MB are left for its registry"
        return (Complaint(head, said, MAKE_ROOM, stops=False),)
    return ()


def check(plan: Plan, found: RegistryLook, need_mb: int = 0) -> None:
    """Raise PibrambleError where the registry takes no image of that size."""
    for complaint in judge(plan, found):
        if complaint.stops:
            kind = MissingError if not found.installed else NotUpError
            raise kind(f"{complaint.node}: {complaint.problem}; nothing was sent", hint=complaint.cure)
    if found.disk_free_mb is not None and found.disk_free_mb < need_mb + LEAST_DISK_MB:
        raise PibrambleError(
            f"{plan.head.name}'s registry has {found.disk_free_mb} MB left, and the image may take {need_mb} MB: "
            f"less than {LEAST_DISK_MB} MB would be free; nothing was sent",
            hint=MAKE_ROOM,
        )


def repository(plan: Plan, name: str) -> str:
    """Return what an image is called in the registry, for a stack that calls it `name`.

    Plain names are those of Docker's own registry, for which the head's stands in. Raises UsageError for an image of
    yet another registry: nodes would ask that one.
    """
    if "@" in name:
        raise UsageError(f"{name} names an image by its digest", hint="give it a name: docker tag IMAGE NAME:TAG")
    host, _, rest = name.partition("/")
    own = host == _address(plan)
    if rest and (own or host in _HUB):
        name = rest
    elif rest and ("." in host or ":" in host or host == "localhost"):
        raise UsageError(
            f"{name} is an image of another registry, {host}: nodes would ask that one for it",
            hint=f"docker tag {name} {rest}\nor bring it to the nodes themselves: -w @workers",
        )
    path, colon, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, ":", "latest")
    if "/" not in path and not own:
        path = f"library/{path}"
    called = f"{path}{colon}{tag}"
    if not _NAME.fullmatch(called):
        raise UsageError(f"`{name}` cannot be an image's name", hint="as web:1, or acme/web:1; small letters")
    return called


def said_name(address: str, called: str) -> str:
    """Return what a stack calls an image of the registry: `repository` the other way round."""
    plain = called.removeprefix("library/")
    return plain if "/" in called else f"{address}/{plain}"


def remove(plan: Plan, connections: Connections, names: Sequence[str]) -> None:
    """Take images away, and the layers that no other has. Raises PibrambleError; then all are still there."""
    called = {repository(plan, name): name for name in names}
    words = [*LOCK, "sh", "-c", _REMOVE, "sh", FOLDER, WRITER, *called]
    outcome = execute(connections, [plan.head.name], shlex.join(words), timeout_s=_REMOVE_TIMEOUT_S)[plan.head.name]
    if outcome.exit_code == 0:
        return
    if outcome.exit_code == BUSY:
        raise busy(plan)
    said = outcome.stdout.decode(errors="replace")
    if said.startswith("missing "):
        name = called.get(said.split()[1], said.split()[1])
        raise UsageError(
            f"{name} is not in {plan.head.name}'s registry; nothing was removed", hint="`pibramble swarm image list`"
        )
    raise failure(outcome, "removing images from the registry")


def busy(plan: Plan) -> PibrambleError:
    """Return the error of who waited too long for another push."""
    return BusyError(
        f"another pibramble is at work on {plan.head.name}'s registry", hint="a push there goes on; try again after it"
    )


def _address(plan: Plan) -> str:
    if plan.containers is None or not plan.containers.registry:
        raise MissingError(
            f"{plan.name} has no registry",
            hint='in the cluster file:\n[containers]\nengine = "docker-swarm"\nregistry = true',
        )
    return plan.containers.registry


def _kept(address: str, words: str) -> Kept:
    name, digest, manifest = words.split(" ", 2)
    try:
        said = json.loads(manifest)
    except ValueError:
        said = {}
    parts: Sequence[Mapping[str, int]] = [*said.get("layers", ()), said.get("config", {})]
    return Kept(said_name(address, name), digest, sum(part.get("size", 0) for part in parts))
