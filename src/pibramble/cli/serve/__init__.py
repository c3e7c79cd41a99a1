"""`pibramble serve`: serving itself, and who may log in to its pages."""

from __future__ import annotations

import click

from pibramble.cli.main import LazyGroup, Verb

SERVE_VERBS = {
    "run": Verb("serve.run", "Serve the lines and the pages; `serve` alone is short for it.", "Serve"),
    "user": Verb("serve.user", "Who may log in to the pages: add, remove, list.", "People"),
}


class ServeGroup(LazyGroup):
    """The verbs of `pibramble serve`."""

    verbs = SERVE_VERBS

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the verb that was meant."""
        word = next((arg for arg in args if not arg.startswith("-")), None)
        if not {"-h", "--help"} & set(args) and word not in self.verbs:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.command(cls=ServeGroup)
def command() -> None:
    """Serve the serial lines: one process opens each, many watch, in a shell or in a browser.

    \b
    pibramble serve                         all lines of the cluster file, pages for this machine alone
    pibramble serve /dev/ttyUSB0            and a device
    pibramble serve --listen 0.0.0.0:8470   pages for the network, over TLS, for those who log in
    pibramble serve user add ada            who that is

    `pibramble serve run --help` lists the options.
    """  # noqa: D301 (click takes the character \b for "as it stands")
