"""`pibramble console`: the serial lines. A word that is none of its verbs is a port or a device to sit down at."""

from __future__ import annotations

import click

from pibramble.cli.main import LazyGroup, Verb

CONSOLE_VERBS = {
    "attach": Verb("console.attach", "Sit down at a port or device; `console NAME` is short for it.", "Use"),
    "list": Verb("console.list_", "List the ports; `console` alone is short for it.", "Use"),
    "profiles": Verb("console.profiles", "List the profiles, or show one.", "Use"),
    "send": Verb("console.send", "Send text, print the answer; `console NAME --send` is short for it.", "Automate"),
    "backup": Verb("console.backup", "Keep a device's configuration under git.", "Automate"),
    "break": Verb("console.break_", "Hold a line low, as a break key does.", "Use"),
    "autobaud": Verb("console.autobaud", "Find a line's speed, and say on what evidence.", "Examine"),
    "selftest": Verb("console.selftest", "Test an adapter whose TX and RX are joined.", "Examine"),
}


class ConsoleGroup(LazyGroup):
    """The verbs of `pibramble console`."""

    verbs = CONSOLE_VERBS

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the verb that was meant."""
        word = next((arg for arg in args if not arg.startswith("-")), None)
        if not {"-h", "--help"} & set(args) and word not in self.verbs:
            sends = any(arg.startswith("--send") for arg in args)
            args = ["list" if word is None else "send" if sends else "attach", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[click.shell_completion.CompletionItem]:
        """Offer the ports besides the verbs."""
        from pibramble.cli.console.common import complete_port

        return [*complete_port(ctx, None, incomplete), *super().shell_complete(ctx, incomplete)]


@click.command(cls=ConsoleGroup)
def command() -> None:
    """Sit down at the serial lines of switches, routers and boards.

    \b
    pibramble console               lists the ports
    pibramble console sw1           sits down at one; Ctrl-] ? helps, Ctrl-] q leaves
    pibramble console /dev/ttyUSB0  opens any serial device
    pibramble console sw1 --send "show version"   prints the answer

    `pibramble serve` keeps all of them open, logs them and shows each to many at once. Where it does not run, `console`
    opens the line in its own process.
    """  # noqa: D301 (\b is how click keeps lines as they are)
