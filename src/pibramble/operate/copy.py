"""Copy files to and from many nodes over the open connections: read once, sent to all.

What arrives is written under a scratch name beside its destination and renamed when it is whole. A copy that breaks
off, for whatever reason, leaves what was there before.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import attrs

from pibramble.errors import PibrambleError
from pibramble.operate.execute import Stop, Stream, execute
from pibramble.operate.nodeset import fold
from pibramble.operate.outcome import Fate, Outcome
from pibramble.operate.pace import Pace
from pibramble.operate.pack import Packer, Parcel
from pibramble.operate.unpack import Unpacker
from pibramble.progress import Progress, Step
from pibramble.targets.base import Connections

# into: `yes` puts the things into the folder dest and makes it if need be, `maybe` does so if dest is a folder.
# Nothing is begun that cannot fit: need_kib is 0 for what is too small to ask for.
# What is not there yet is placed with one rename, folders and all; folders that are there are joined, file by file.
_RECEIVE = r"""
[ "$into" = maybe ] && [ -d "$dest" ] && into=yes
if [ "$into" = yes ]; then folder=$dest; mkdir -p -- "$folder" || exit 1; else folder=$(dirname -- "$dest"); fi
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
[ -d "$folder" ] || { echo "$folder: no such folder" >&2; exit 1; }
folder=${folder%/}/
if [ $need_kib -gt 0 ]; then
  set -- $(stat -f -c '%a %S' -- "$folder") # free blocks, bytes of one
  free_kib=$(($1 * $2 / 1024))
  [ $free_kib -gt $need_kib ] ||
    { echo "$folder has $free_kib KiB free, and $need_kib KiB are needed" >&2; exit 1; }
fi
scratch=$(mktemp -d -- "${folder}.pibramble-XXXXXX" 2>&1) || { echo "$folder: ${scratch##*: }" >&2; exit 1; }
trap 'rm -rf -- "$scratch" 2>/dev/null || { chmod -R u+rwX -- "$scratch"; rm -rf -- "$scratch"; }' EXIT
trap 'exit 143' TERM HUP INT
tar -x -p --no-same-owner --checkpoint=CHECKPOINT --checkpoint-action=dot -f - -C "$scratch" || exit 1
put() {
  if [ -d "$1" ] && [ ! -L "$1" ] && [ -d "$2" ]; then join "$1" "$2"; else mv -f -T -- "$1" "$2" || exit 1; fi
}
join() {
  for thing in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    if [ -e "$thing" ] || [ -L "$thing" ]; then put "$thing" "$2/${thing##*/}"; fi
  done
}
if [ "$into" = yes ]; then join "$scratch" "${folder%/}"; exit; fi
for thing in "$scratch"/* "$scratch"/.[!.]* "$scratch"/..?*; do
  if [ -e "$thing" ] || [ -L "$thing" ]; then put "$thing" "$folder${dest##*/}"; fi
done
"""

# The arguments become full paths. A pattern is expanded as a path only: neither split at blanks nor run.
_EXPAND = r"""
count=$#
for path; do
  if [ -e "$path" ] || [ -L "$path" ]; then set -- "$@" "$path"; else IFS=; set -- "$@" $path; unset IFS; fi
done
shift $count
count=$# follow=
for path; do
  if [ ! -e "$path" ] && [ ! -L "$path" ]; then echo "$path: no such file or folder" >&2; exit 1; fi
  if [ -L "$path" ]; then follow=-h; fi
  case ${path##*/} in ''|.|..) path=$(cd -- "$path" && pwd -P) || exit 1 ;; esac
  case $path in /*) ;; *) path=$PWD/$path ;; esac
  set -- "$@" "$path"
done
shift $count
"""
_SIZE = (
    _EXPAND
    + r"""
du -cbsD -- "$@" 2>/dev/null | tail -n 1
"""
)
# tar's exit code 1 is a file that changed while it was read, as logs do.
_SEND = (
    _EXPAND
    + r"""
count=$#
for path; do set -- "$@" -C "${path%/*}/" "./${path##*/}"; done
shift $count
tar -c $follow --hard-dereference --warning=no-file-changed -f - "$@"
code=$?
[ $code != 1 ] || code=0
exit $code
"""
)


_CHECKPOINT = 5  # tar records of 10 KiB, after each of which the node says that they have arrived
_CHECKPOINT_BYTES = _CHECKPOINT * 10 * 1024
_WORTH_ASKING = 1_000_000  # bytes: to ask for the free space costs a node as much time as some 100 kB


@attrs.frozen
class Place:
    """One argument of `copy`: a path here, or a path on some nodes."""

    nodes: str | None  # a set; None: this machine
    path: str

    @property
    def one_node(self) -> bool:
        """Say whether this names one node by its plain name."""
        return self.nodes is not None and re.fullmatch(r"[A-Za-z0-9.-]+", self.nodes) is not None


def place(text: str) -> Place:
    """Read `NODES:PATH` or `PATH`; as with scp, a colon behind a slash is part of the path."""
    nodes, colon, path = text.partition(":")
    if not colon or not nodes or "/" in nodes:
        return Place(None, text)
    path = path.removeprefix("~/") if path != "~" else ""
    return Place(nodes, path)


def upload(  # noqa: PLR0913 (each is a choice of the caller)
    connections: Connections,
    nodes: Sequence[str],
    parcel: Parcel,
    destination: str,
    *,
    into: bool,
    progress: Progress,
) -> dict[str, Outcome]:
    """Send the parcel to every node; return node -> outcome, whose problem says why nothing was copied.

    `destination` is a path on the nodes, from the account's home if it is not absolute. With `into` it is a folder and
    made if it is not there; else it is one if it is there, and the name of the parcel's one thing if not.
    Raises PibrambleError if a file of ours cannot be read to its end, and Interrupted.
    """
    need_kib = parcel.size // 1024 if parcel.size >= _WORTH_ASKING else 0
    words = {"dest": shlex.quote(destination or "."), "into": "yes" if into else "maybe", "need_kib": need_kib}
    command = " ".join(f"{name}={value}" for name, value in words.items())
    command += _RECEIVE.replace("CHECKPOINT", str(_CHECKPOINT))
    pace = Pace()
    packer = Packer(parcel)
    try:
        with progress.step(_title("Copy to", nodes), parcel.size * len(nodes), "B") as step:
            took = partial(_took, pace, step)
            outcomes = execute(connections, nodes, command, stdin=packer.reader, on_output=took, pace=pace)
    finally:
        packer.close()
    return {node: _judged(outcome) for node, outcome in outcomes.items()}


def download(  # noqa: PLR0913 (each is a choice of the caller)
    connections: Connections,
    nodes: Sequence[str],
    sources: Sequence[str],
    destination: Path,
    *,
    into: bool,
    apart: bool,
    progress: Progress,
    measure: bool = False,
) -> dict[str, Outcome]:
    """Fetch the sources from every node; return node -> outcome, whose problem says why nothing was copied.

    `sources` are paths or patterns on the nodes. With `apart` each node's things come into `destination`/NODE; else
    with `into` into the folder `destination`, which is made; else the one thing becomes `destination`.
    With `measure` the nodes are asked beforehand how much it will be, for the bar. Raises Interrupted.
    """
    arguments = "set -- " + " ".join(shlex.quote(source.removeprefix("~/") or ".") for source in sources)
    total = _measured(connections, nodes, arguments) if measure else None
    arrivals = {node: _Arrival(destination / node if apart else destination, into=into or apart) for node in nodes}
    try:
        with progress.step(_title("Copy from", nodes), total, "B") as step:
            arrived = partial(_arrived, arrivals, step)
            outcomes = execute(connections, nodes, arguments + _SEND, on_output=arrived, keep_output=False)
        return {node: arrivals[node].settled(outcome) for node, outcome in outcomes.items()}
    finally:
        for arrival in arrivals.values():
            arrival.close()


def _took(pace: Pace, step: Step, node: str, stream: Stream, said: bytes) -> None:
    if stream is Stream.STDOUT:
        count = said.count(b".") * _CHECKPOINT_BYTES
        pace.arrived(node, count)
        step.advance(count)


class _Arrival:
    """What comes from one node."""

    def __init__(self, destination: Path, *, into: bool) -> None:
        self._destination = destination
        self._into = into
        self._unpacker: Unpacker | None = None
        self._said = b""  # on standard error

    def data(self, chunk: bytes) -> None:
        """Take a piece of the archive. Raises Stop when there is no sense in more."""
        try:
            if self._unpacker is None:
                if self._into:
                    self._destination.mkdir(parents=True, exist_ok=True)
                self._unpacker = Unpacker(self._destination if self._into else self._destination.parent)
            self._unpacker.feed(chunk)
        except BrokenPipeError:
            raise Stop("not copied") from None  # finish() knows why
        except OSError as error:
            raise Stop(f"not copied: {_reason(error)}") from None

    def words(self, chunk: bytes) -> None:
        """Take a piece of what the node's tar complains about."""
        self._said = (self._said + chunk)[-4096:]

    def settled(self, outcome: Outcome) -> Outcome:
        """Put into place what has come whole, and say how it went."""
        outcome = _judged(attrs.evolve(outcome, stderr=self._said))
        if self._unpacker is None or outcome.fate not in {Fate.EXITED, Fate.STOPPED} or outcome.exit_code:
            return outcome
        try:
            self._unpacker.finish()
            self._place(self._unpacker)
        except OSError as error:
            return _failed(outcome, _reason(error))
        except PibrambleError as error:
            return _failed(outcome, error.message, error.hint)
        if left_out := self._unpacker.left_out:
            shown = ", ".join(left_out[:3]) + (f" and {len(left_out) - 3} more" if len(left_out) > 3 else "")  # noqa: PLR2004
            problem = f"copied, but for what is no file, or a link that leads out of its folder: {shown}"
            return attrs.evolve(outcome, exit_code=1, problem=problem)
        return outcome

    def close(self) -> None:
        if self._unpacker is not None:
            self._unpacker.close()

    def _place(self, unpacker: Unpacker) -> None:
        names = unpacker.names()
        if self._into:
            for name in names:
                unpacker.place(name, self._destination / name)
        elif len(names) == 1:
            unpacker.place(names[0], self._destination)
        else:
            raise PibrambleError(
                f"{len(names)} things cannot all become {self._destination}", hint="make a folder of that name first"
            )


def _arrived(arrivals: Mapping[str, _Arrival], step: Step, node: str, stream: Stream, chunk: bytes) -> None:
    if stream is Stream.STDERR:
        arrivals[node].words(chunk)
    else:
        arrivals[node].data(chunk)
        step.advance(len(chunk))


def _measured(connections: Connections, nodes: Sequence[str], arguments: str) -> int | None:
    said = execute(connections, nodes, arguments + _SIZE)
    sizes = [outcome.stdout.split() for outcome in said.values()]
    return sum(int(words[0]) for words in sizes if words and words[0].isdigit()) or None


def _judged(outcome: Outcome) -> Outcome:
    """Turn an exit code of the node's tar and what it said into a problem."""
    if outcome.problem or not outcome.exit_code:
        return outcome
    noise = "Exiting with failure status"
    said = outcome.stderr.decode(errors="replace").replace("Wrote only", "the disk is full: wrote only")
    lines = [line for line in said.splitlines() if noise not in line]
    return _failed(outcome, "; ".join(lines[-2:]) or f"exit code {outcome.exit_code}")


def _failed(outcome: Outcome, reason: str, hint: str = "") -> Outcome:
    return attrs.evolve(outcome, exit_code=1, problem=f"not copied: {reason}", hint=hint)


def _reason(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)


def _title(verb: str, nodes: Sequence[str]) -> str:
    return f"{verb} {fold(nodes)}" if len(nodes) < 4 else f"{verb} {len(nodes)} nodes"  # noqa: PLR2004 (short is kind)
