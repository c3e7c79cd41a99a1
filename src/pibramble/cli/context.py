"""What every verb starts from: the cluster file that is meant, its plan, its keys, its target."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pibramble.errors import MissingError

if TYPE_CHECKING:
    from pibramble.files.model import Keyring
    from pibramble.plan.model import Plan
    from pibramble.progress import Progress
    from pibramble.spec.load import ClusterFile
    from pibramble.targets.base import Connections, Target


class Context:
    """The options before the verb, and what follows from them; everything is worked out when first asked for."""

    def __init__(self, *, file: str | None, quiet: bool, target: str | None = None) -> None:
        """Keep the options."""
        self.file = file
        self.quiet = quiet
        self.asked_target = target

    @cached_property
    def cluster_file(self) -> ClusterFile:
        """Read and judge the cluster file."""
        from pibramble.spec import load

        return load.load(load.find(self.file))

    @cached_property
    def plan(self) -> Plan:
        """Resolve the cluster file."""
        from pibramble.plan.resolve import resolve

        return resolve(self.cluster_file.cluster, self.cluster_file.text)

    @cached_property
    def folder(self) -> Path:
        """Name the cluster's state folder."""
        from pibramble import paths

        return paths.cluster_folder(self.plan.name, self.plan.id)

    @cached_property
    def keyring(self) -> Keyring:
        """Read the cluster's keys; make those that are missing. Raises MissingError on a head: it has its own."""
        from pibramble.keys import ensure
        from pibramble.targets.whereabouts import is_head

        if is_head(self.plan):
            raise MissingError(
                f"{self.plan.head.name} holds no keys of {self.plan.name} beyond its own",
                hint="files and cards are made where the cluster's keys are: on the machine that made this card",
            )
        return ensure(self.plan, self.folder, self.progress)

    @cached_property
    def target(self) -> Target:
        """Choose the target. Raises UsageError."""
        from pibramble.targets.select import choose

        return choose(self.plan, self.folder, self.asked_target)

    @cached_property
    def connections(self) -> Connections:
        """Return the way to the nodes. Raises NotUpError."""
        return self.target.connections(self.plan)

    @cached_property
    def progress(self) -> Progress:
        """Show progress on standard error, as fits where that goes."""
        from pibramble.progress import for_terminal

        return for_terminal(quiet=self.quiet)


def print_json(value: object) -> None:
    """Print any of our types as JSON on standard output."""
    import json

    from pibramble.serialise import plain

    json.dump(plain(value), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
