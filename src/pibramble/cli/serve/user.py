"""`pibramble serve user`: who may log in to the pages."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import attrs
import click

from pibramble.cli.context import Context, print_json
from pibramble.errors import UsageError

if TYPE_CHECKING:
    from pibramble.web.users import Users


@click.group()
def command() -> None:
    """Say who may log in to the pages, and which ports each may read and write."""


@command.command()
@click.argument("name")
@click.option(
    "--read", "read", multiple=True, metavar="PORTS", help='Ports to watch: a name, "router-*". [default: all]'
)
@click.option("--write", "write", multiple=True, metavar="PORTS", help="Ports to take control of. [default: all]")
@click.option("--read-only", is_flag=True, help="No port to take control of.")
@click.option("--token", is_flag=True, help="A token for programs instead of a password; it is shown once.")
@click.option("--password-stdin", is_flag=True, help="Take the password from standard input, one line.")
@click.pass_obj
def add(  # noqa: PLR0913 (options of the command line)
    context: Context,
    name: str,
    *,
    read: tuple[str, ...],
    write: tuple[str, ...],
    read_only: bool,
    token: bool,
    password_stdin: bool,
) -> None:
    """Add somebody, or give him other rights or another password.

    With --read or --write, the other list is empty unless it is given too; whoever may write on a port may watch it.
    """
    from pibramble.web import passwords
    from pibramble.web.access import Person
    from pibramble.web.users import User

    if read_only and write:
        raise UsageError("--read-only and --write say different things")
    chosen = Person(
        name, read or (() if write else ("*",)), () if read_only or (read and not write) else write or ("*",)
    )
    users = _users(context)
    if token:
        secret = passwords.new_token()
        users.put(User(chosen, token=passwords.token_digest(secret)))
        click.echo(f"{name}'s token, shown this once (Authorization: Bearer TOKEN):", err=True)
        click.echo(secret)
        return
    users.check_name(name)
    password = sys.stdin.readline().rstrip("\n") if password_stdin else _ask(name)
    if len(password) < passwords.FEWEST_CHARACTERS:
        raise UsageError(f"a password has at least {passwords.FEWEST_CHARACTERS} characters")
    users.put(User(chosen, password=passwords.hashed(password)))
    click.echo(f"{name} may log in. {_rights(chosen.read, chosen.write)}")


@command.command()
@click.argument("name")
@click.pass_obj
def remove(context: Context, name: str) -> None:
    """Remove somebody; whoever is logged in by that name is out within seconds."""
    _users(context).remove(name)
    click.echo(f"{name} may no longer log in")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def list_(context: Context, *, as_json: bool) -> None:
    """List who may log in."""
    users = _users(context)
    found = list(users.all().values())
    if as_json:
        print_json([attrs.asdict(user.person) | {"by": "password" if user.password else "token"} for user in found])
        return
    for user in found:
        click.echo(f"{user.person.name}: {_rights(user.person.read, user.person.write)}")
    if not found:
        click.echo(f"nobody: there is no {users.path}")


def _users(context: Context) -> Users:
    from pibramble.cli.console.common import bench_folder
    from pibramble.web.users import USERS_FILE, Users

    return Users(bench_folder(context) / USERS_FILE)


def _ask(name: str) -> str:
    password: str = click.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True, err=True)
    return password


def _rights(read: tuple[str, ...], write: tuple[str, ...]) -> str:
    said = {("*",): "all ports", (): "no port"}
    watches = said.get(read, ", ".join(read))
    writes = said.get(write, ", ".join(write))
    return f"watches {watches}, writes on {writes}"
