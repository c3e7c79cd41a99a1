"""The command's frame: verbs that are imported only when called, and the one place where errors meet people."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import click

from pibramble import __version__
from pibramble.cli.context import Context
from pibramble.errors import Exit, PibrambleError


class Verb(NamedTuple):
    """Where a verb lives, and its line in the help."""

    module: str  # pibramble.cli.MODULE, which holds the click command `command`
    help: str
    section: str


VERBS = {
    "new": Verb("new", "Write a cluster file from a template.", "Think"),
    "check": Verb("check", "Judge the cluster file.", "Think"),
    "cost": Verb("cost", "What it costs, and what the money could buy instead.", "Think"),
    "wiring": Verb("wiring", "What is wired to what, checked and drawn.", "Think"),
    "predict": Verb("predict", "How an MPI program would scale on it.", "Think"),
    "schema": Verb("schema", "Print the cluster file's JSON Schema, for editors.", "Think"),
    "plan": Verb("plan", "Show every name, address, MAC, port and route.", "Think"),
    "files": Verb("files", "Show what each node's disk will hold.", "Think"),
    "card": Verb("card", "Make, look at and write the SD card of every board.", "Build"),
    "up": Verb("up", "Bring the cluster up.", "Run"),
    "emulator": Verb("emulator", "Look behind emulated boards, and disturb them.", "Run"),
    "down": Verb("down", "Take the cluster down, and all that is left of it.", "Run"),
    "status": Verb("status", "Ask every node how it is.", "Operate"),
    "exec": Verb("exec_", "Run a command on many nodes.", "Operate"),
    "copy": Verb("copy", "Copy files to or from many nodes.", "Operate"),
    "ssh": Verb("ssh", "Get a shell on one node.", "Operate"),
    "run": Verb("run", "Run an MPI program on the workers.", "Operate"),
    "jobs": Verb("jobs", "List the records of past jobs, or show one.", "Operate"),
    "bench": Verb("bench", "Measure its speed, its wires and its network.", "Operate"),
    "gps": Verb("gps", "Time and place from a GPS receiver.", "Operate"),
    "console": Verb("console", "Sit down at the serial lines of switches, routers and boards.", "Serial lines"),
    "serve": Verb("serve", "Serve the serial lines: one process opens each, many watch.", "Serial lines"),
    "swarm": Verb("swarm", "Containers on it: Docker Swarm, stacks and images.", "Operate"),
    "doctor": Verb("doctor", "Say which system programs are missing for what.", "Help"),
    "completion": Verb("completion", "Print the completion script of your shell.", "Help"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called: the head may be a 700 MHz board."""

    verbs: Mapping[str, Verb] = VERBS  # a verb that has verbs of its own is a subclass with others

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the verbs in the order of a person's work."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one verb."""
        verb = self.verbs.get(cmd_name)
        if verb is None:
            return None
        command = importlib.import_module(f"pibramble.cli.{verb.module}").command
        if not isinstance(command, click.Command):
            message = f"pibramble.cli.{verb.module}.command is no click command"
            raise TypeError(message)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest verb when there is none of that name."""
        if args and args[0] not in self.verbs and not args[0].startswith("-"):
            import difflib  # only for a typo

            near = difflib.get_close_matches(args[0], self.verbs, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else f" `{ctx.command_path} --help` lists the verbs."
            ctx.fail(f"there is no verb `{args[0]}`.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the verbs by section, without importing them."""
        for section in dict.fromkeys(verb.section for verb in self.verbs.values()):
            with formatter.section(section):
                formatter.write_dl([(name, verb.help) for name, verb in self.verbs.items() if verb.section == section])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-f", "--file", "file", type=click.Path(readable=False), help="The cluster file. [default: ./cluster.toml]"
)
@click.option("-t", "--target", metavar="NAME", help="lab, emulator or hardware. [default: what is up, else what fits]")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="Show every system command, ready to be pasted.")
@click.version_option(__version__, prog_name="pibramble", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, file: str | None, target: str | None, *, quiet: bool, verbose: bool) -> None:
    """Turn one cluster file into a running cluster of cheap boards."""
    if verbose:
        import logging

        logging.basicConfig(level=logging.DEBUG, format="%(message)s", stream=sys.stderr)
    ctx.obj = Context(file=file, quiet=quiet, target=target)


# What a machine can be short of or forbid at any write: no defect of ours, wherever it comes from.
_MACHINES_OWN = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE,
    errno.ENFILE, errno.ENOMEM,
}  # fmt: skip


class StoppedError(KeyboardInterrupt):
    """SIGTERM or SIGHUP came: to be cleaned up after like Ctrl-C."""

    def __init__(self, number: int) -> None:
        """Keep the signal's number."""
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


def _stop(number: int, _frame: FrameType | None) -> None:
    raise StoppedError(number)


def run(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code; whatever goes wrong is said in words."""
    _open_what_is_closed()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup(1) has SIGHUP ignored, and so it stays
            signal.signal(number, _stop)
    try:
        code = cli.main(args=argv, prog_name="pibramble", standalone_mode=False)
        sys.stdout.flush()  # what cannot be written is said now, not by Python while it closes
    except BaseException as error:  # noqa: BLE001 (the last line of defence)
        return _explain(error)
    return code if isinstance(code, int) else Exit.OK


def _open_what_is_closed() -> None:
    """Give a closed standard stream (`>&-`) a stand-in, or the next file that we open would take its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None and os.open(os.devnull, os.O_RDWR) == number:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))


def _explain(error: BaseException) -> int:
    """Say in words what went wrong and return the exit code for it."""
    match error:
        case PibrambleError():
            click.echo(str(error) if error.standalone else f"pibramble: {error}", err=True)
            return error.exit_code
        case click.ClickException():
            error.show()
            return Exit.WRONG
        case click.exceptions.Exit():
            return error.exit_code
        case click.Abort() | KeyboardInterrupt():  # click makes an Abort of every KeyboardInterrupt
            cause = error.__cause__ or error
            click.echo(f"pibramble: {cause if isinstance(cause, StoppedError) else 'interrupted'}", err=True)
            return 128 + cause.number if isinstance(cause, StoppedError) else Exit.INTERRUPTED
        case BrokenPipeError() | SystemExit():  # a reader of our output that left (`| head`), and click's answer to one
            _let_go_of_stdout()
            return Exit.OK
        case Exception():
            said = _shortage(error) if isinstance(error, OSError) and error.errno in _MACHINES_OWN else _defect(error)
            click.echo(f"pibramble: {said}", err=True)
            return Exit.FAILED
        case _:
            raise error


def _let_go_of_stdout() -> None:
    """Write what can be written; Python would complain once more about the rest while it closes."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _shortage(error: OSError) -> str:
    """Say what the machine is short of, and what of ours may need it."""
    from pibramble import paths

    _let_go_of_stdout()
    where = f"{error.filename}: " if error.filename else ""
    said = f"{where}{os.strerror(error.errno or 0).lower()}"
    return f"{said}\n  pibramble keeps its state in {paths.state_folder()}; PIBRAMBLE_STATE names another folder"


def _defect(error: Exception) -> str:
    """Put the traceback into a file, not in front of a person."""
    report = Path(os.environ.get("TMPDIR", "/tmp")) / f"pibramble-defect-{os.getpid()}.txt"  # noqa: S108
    said = f"{type(error).__name__}: {error}"
    try:
        with report.open("x", encoding="utf-8") as stream:
            stream.write(f"pibramble {__version__}\n{sys.argv}\n\n{traceback.format_exc()}")
    except OSError:
        return f"a defect in pibramble: {said}"
    return f"a defect in pibramble: {said}\n  The details are in {report}; please report them."
