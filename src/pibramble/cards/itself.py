"""Pibramble itself on the head's card: the package as it is here, its command, and the cluster file.

Not in the base, whose key would change with every line of source. Its libraries come from apt (packages.toml).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pibramble
from pibramble.files import units
from pibramble.files.model import Entry, NodeFile
from pibramble.plan.model import Plan
from pibramble.spec.load import ON_A_HEAD

PACKAGE_FOLDER = "/usr/lib/python3/dist-packages/pibramble"  # Debian's Python looks there, beside what apt brought
COMMAND = "/usr/bin/pibramble"
_COMPILED = "/var/lib/pibramble/compiled"

# -I: whatever a person's environment or home says about Python, the command finds the package of its card.
_COMMAND = """\
#!/usr/bin/python3 -I
from pibramble.__main__ import main

main()
"""

# The cluster's user may not write byte code there, and without it each verb compiles its modules anew: 10 to 20 ms of
# 110 on a PC. Type=exec: nothing at boot waits for it.
_COMPILE_UNIT = f"""\
[Unit]
Description=Compile pibramble's Python once
ConditionPathExists=!{_COMPILED}
ConditionPathIsReadWrite=/

[Service]
Type=exec
StateDirectory=pibramble
ExecStart=/bin/sh -c "/usr/bin/python3 -m compileall -q {PACKAGE_FOLDER} && touch {_COMPILED}"
Nice=19
CPUSchedulingPolicy=idle
IOSchedulingClass=idle

[Install]
WantedBy=multi-user.target
"""


def entries(plan: Plan) -> Iterator[Entry]:
    """Yield what makes the head's card a place to work from."""
    yield from package()
    yield NodeFile(COMMAND, _COMMAND, "the command", mode=0o755)
    if plan.source:
        yield NodeFile(ON_A_HEAD, plan.source, "the cluster file, as it was written")
    unit = "pibramble-compile.service"
    yield NodeFile(f"/etc/systemd/system/{unit}", _COMPILE_UNIT, "makes the command start sooner")
    yield units.enable(unit, "pibramble is compiled at the first boot", ours=True)


@cache
def package() -> tuple[NodeFile, ...]:
    """Return the package's files: what is installed here, less what Python and tools leave beside it."""
    here = Path(pibramble.__file__).parent
    found = sorted(path.relative_to(here) for path in here.rglob("*") if path.is_file())
    return tuple(
        NodeFile(f"{PACKAGE_FOLDER}/{path}", _text(here / path), "pibramble itself")
        for path in found
        if not any(part == "__pycache__" or part.startswith(".") for part in path.parts)
    )


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="surrogateescape")
