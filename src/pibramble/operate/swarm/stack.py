"""Stacks: the file goes to the manager as it is, and what is wrong with it comes back with its line."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pibramble.errors import Exit, Location, PibrambleError, UsageError
from pibramble.operate.swarm.manager import Manager, Service, Task

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*")
_DEPLOY_TIMEOUT_S = 300.0
_CALM = 2  # looks: a manager that was told of a newer image begins to exchange tasks a moment later


def stack_name(file: Path, given: str | None) -> str:
    """Return what the stack is called: the file's name unless another one is given. Raises UsageError."""
    name = given or re.sub(r"[^a-zA-Z0-9_-]", "-", file.stem)
    if not _NAME.fullmatch(name):
        raise UsageError(f"`{name}` cannot be a stack's name", hint="letters, digits, - and _, a letter first: -n NAME")
    return name


def deploy(manager: Manager, file: Path, name: str, *, registry: bool = False) -> None:
    """Start the stack, or bring it to what the file says now: services that it no longer has are ended.

    `registry`: the head has one, which nodes take images from.

    Raises PibrambleError with Docker's words and, where they can be told, the file's line.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text"
        raise UsageError(f"{file}: {reason}") from None
    # Without a registry images were pushed to the nodes, and nobody knows them. With one, the manager asks it now which
    # image is meant, so that all nodes run the same, and a newer one of the same name is seen.
    resolve = "always" if registry else "never"
    words = ("stack", "deploy", "--prune", "--resolve-image", resolve, "--compose-file", "-", name)
    try:
        manager.docker(*words, stdin=text.encode(), timeout_s=_DEPLOY_TIMEOUT_S)
    except PibrambleError as error:
        said = error.message.partition(": ")[2] if error.message.startswith("docker failed on") else ""
        if not said:
            raise
        where = Location(str(file), line_of(text, said))
        raise _StackFileError(said, hint=error.hint, where=where, exit_code=Exit.FAILED) from None


class _StackFileError(PibrambleError):
    standalone = True  # it begins with a clickable place


def line_of(text: str, said: str) -> int:
    """Return the line that Docker complains of; 0 where its words name none.

    Its YAML reader says a line; its schema says where by a path of keys: services.web.deploy.
    """
    if found := re.search(r"\byaml: (?:.*\n?)*?\s*line (\d+)", said):
        return int(found[1])
    found = re.search(r"(?:^|\s)((?:services|networks|volumes|configs|secrets)(?:\.[\w-]+)+)(.*)", said, re.DOTALL)
    if found is None:
        return 0
    keys = found[1].split(".")
    if extra := re.search(r"Additional property (\S+) is not allowed", found[2]):
        keys.append(extra[1])
    return _line_of_keys(text.splitlines(), keys)


def _line_of_keys(lines: Sequence[str], keys: Sequence[str]) -> int:
    """Walk down block by block; where a key is not found, the block that should hold it is the place."""
    place, depth = 0, -1
    for key in keys:
        for number in range(place, len(lines)):
            line = lines[number]
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            indent = len(line) - len(line.lstrip())
            if indent <= depth:
                return place  # the block has ended
            if re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*:", line):
                place, depth = number + 1, indent
                break
        else:
            return place
    return place


def services_of(manager: Manager, stack: str) -> tuple[Service, ...]:
    """Return a stack's services."""
    return tuple(service for service in manager.services() if service.name.startswith(f"{stack}_"))


def wait(
    manager: Manager, names: Sequence[str], timeout_s: float, say: Callable[[Service], None]
) -> tuple[tuple[Service, ...], tuple[Task, ...]]:
    """Wait until these services have all their tasks, of their newest image.

    Return them, and the tasks of those that have not.
    """
    deadline = time.monotonic() + timeout_s
    calm = 0
    while True:
        found = tuple(service for service in manager.services() if service.name in names)
        for service in found:
            say(service)
        unsettled = [service.name for service in found if not service.settled]
        unsettled = unsettled or list(manager.updating([service.name for service in found]))
        calm = 0 if unsettled else calm + 1
        if calm == _CALM or time.monotonic() > deadline:
            return found, manager.tasks(unsettled)
        time.sleep(0.5)


def scale(manager: Manager, wanted: Sequence[str]) -> None:
    """Set how many tasks services have: SERVICE=NUMBER. Raises UsageError before anything is changed."""
    for word in wanted:
        name, _, number = word.partition("=")
        if not name or not number.isdecimal():
            raise UsageError(f"`{word}` does not say how many", hint="as web_app=4")
    manager.docker("service", "scale", "--detach", *wanted)
