"""`pibramble gps`: time and place from a receiver. Its verbs are imported when they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pibramble.cli.main import LazyGroup, Verb

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

GPS_VERBS = {
    "watch": Verb("gps.watch", "Show what it says, live; also without this word.", "Look"),
    "detect": Verb("gps.detect", "Find a port's speed and language.", "Look"),
    "doctor": Verb("gps.doctor", "Say what is wrong, and what to do about it.", "Look"),
    "record": Verb("gps.record", "Keep what a port says in a log.", "Keep"),
    "replay": Verb("gps.replay", "Give a log out again, as a receiver.", "Keep"),
    "export": Verb("gps.export", "Write a log's track as GPX or GeoJSON.", "Keep"),
}


class GpsGroup(LazyGroup):
    """The verbs of `pibramble gps`; what begins with none of them is about watching."""

    verbs = GPS_VERBS

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `watch` before a source or an option that stands alone."""
        completing = ctx.resilient_parsing and not args
        if not completing and args[:1] not in (["-h"], ["--help"]) and (not args or args[0] not in self.verbs):
            args = ["watch", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the verbs, and what may stand in their place: ports and logs."""
        from pibramble.cli.gps.common import complete_source

        return [*super().shell_complete(ctx, incomplete), *complete_source(ctx, None, incomplete)]


@click.command(cls=GpsGroup)
def command() -> None:
    """Time and place from a GPS receiver.

    `pibramble gps [--once] [--json] [SOURCE]` shows what SOURCE says: gpsd on this machine by default, or HOST[:PORT]
    of another gpsd, a serial port, a recorded log, or - for standard input. `pibramble gps watch --help` says more.
    """
