"""`pibramble status`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.options import excluded_option, joined, target_option, wanted_option
from pibramble.cli.tables import show_table
from pibramble.errors import Exit

if TYPE_CHECKING:
    from pibramble.operate.clocks import Clock
    from pibramble.operate.measure import Measured
    from pibramble.operate.status import ClusterStatus, Machine, NodeStatus
    from pibramble.operate.swarm.engine import Engine

_CHRONY_CURES = {"lab": "`pibramble up` starts it again"}  # by target; on boards systemd is asked


@click.command(short_help="Ask every node how it is.")
@wanted_option
@excluded_option
@target_option
@click.option("--measure", "want_measure", is_flag=True, help="Measure the links, planned against measured.")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
@click.pass_obj
def command(
    context: Context, wanted: tuple[str, ...], excluded: tuple[str, ...], *, want_measure: bool, as_json: bool
) -> int:
    """Ask all nodes, or those of -w, how they are: reachable, busy, hot, which MPICH, what time it is there.

    Where the cluster has containers, also how each engine is, and how much room is left for images.

    The exit code is 0 when every node that was asked answered, 5 when one did not, 4 when the cluster is not up.
    """
    from pibramble.operate import status
    from pibramble.operate.nodeset import select

    plan = context.plan
    nodes = select(plan, joined(wanted) or "@all", joined(excluded))
    state = context.target.state()
    if not state.up and as_json:
        print_json({"cluster": status.ClusterStatus(plan.name, state.target, up=False), "measured": []})
        return Exit.NOT_UP
    connections = context.connections  # says that the cluster is not up, if it is not
    found = status.ask(plan, nodes, connections, state)
    measured = _measure(context, found) if want_measure else ()
    if as_json:
        print_json({"cluster": found, "measured": measured})
    else:
        _show(found)
        if measured:
            _show_measured(found, measured)
        _show_remarks(found)
    return Exit.OK if found.healthy else Exit.UNREACHABLE


def _measure(context: Context, found: ClusterStatus) -> tuple[Measured, ...]:
    from pibramble.operate.measure import measure

    plan = context.plan
    workers = [node.node for node in found.nodes if node.reachable and node.link]
    results = []
    with context.progress.step("measuring", total=2 * len(workers), unit="ways") as step:
        for name in workers:
            results.append(measure(plan, plan.node(name), context.connections, lambda way: step.advance(0, way)))
            step.advance(2)
    return tuple(results)


def _show(found: ClusterStatus) -> None:
    own = any(node.machine for node in found.nodes)  # else the machine is the same for all: said once, below
    header = ["NODE", "BOARD", "LINK", "TO WORKER", "TO HEAD", "MPICH", "STATE"]
    machine_header = ["LOAD", "MEMORY MB", "TEMP", "UP"] if own else []
    clocks = any(node.clock for node in found.nodes)
    clock_header = ["CLOCK", "FOLLOWS"] if clocks else []
    engines = any(node.engine for node in found.nodes)
    engine_header = ["DOCKER", "DISK LEFT"] if engines else []
    rows = []
    for node in found.nodes:
        more = [*(_machine(node.machine) if own else []), *(_clock(node.clock) if clocks else [])]
        more += _engine(node.engine) if engines else []
        rows.append([node.node, node.board, node.link or "-", *_planned(node), _mpich(node), *more, _state(node)])
    show_table([*header[:6], *machine_header, *clock_header, *engine_header, header[6]], rows)
    if any(node.link and not node.rate_verified for node in found.nodes):
        click.echo("* an estimate: nobody has measured this rate on such a board")


def _show_measured(found: ClusterStatus, measured: Sequence[Measured]) -> None:
    planned = {node.node: _planned(node) for node in found.nodes}
    click.echo("\nLinks as measured with TCP, and in per cent of the plan:")
    rows = []
    for link in measured:
        to_worker, to_head = planned[link.node]
        rows.append(
            [link.node, _rate(link.to_worker_mbit), to_worker, _percent(link.to_worker_percent),
             _rate(link.to_head_mbit), to_head, _percent(link.to_head_percent)]
        )  # fmt: skip
    show_table(["NODE", "TO WORKER", "PLANNED", "", "TO HEAD", "PLANNED", ""], rows)
    for link in measured:
        if link.problem:
            click.echo(f"pibramble: {link.node}: {link.problem}", err=True)


def _show_remarks(found: ClusterStatus) -> None:
    from pibramble.operate.clocks import complaint

    if found.host:
        load, memory, temperature, _up = _machine(found.host)
        hot = "" if temperature == "-" else f", {temperature}"
        click.echo(f"\nAll nodes share this machine: load {load}, memory {memory} MB{hot}.")
    if found.not_modelled:
        click.echo(f"The {found.target} does not show:")
        for sentence in found.not_modelled:
            click.echo(f"  {sentence}")
    else:
        click.echo(f"target: {found.target}")
    if told := complaint(found.astray, found.clock_limit_ms / 1000):
        click.echo(f"pibramble: {told}", err=True)
    if found.engines:
        from pibramble.operate.swarm.health import told as told_of_engines

        for line in told_of_engines(found.engines):
            click.echo(f"pibramble: {line}", err=True)
    for node in found.nodes:
        if node.clock and node.clock.problem:
            again = f"`pibramble exec -w {node.node} -- sudo systemctl restart chrony` starts it again"
            cure = f"nobody keeps its clock right; {_CHRONY_CURES.get(found.target, again)}"
            click.echo(f"pibramble: {node.node}: {node.clock.problem}\n  {cure}", err=True)
        if not node.reachable:
            cure = f"\n  {node.hint}" if node.hint else ""
            click.echo(f"pibramble: {node.node}: {node.problem}{cure}", err=True)


def _planned(node: NodeStatus) -> list[str]:
    star = "" if node.rate_verified or not node.link else "*"
    return [_rate(rate) + star if rate is not None else "-" for rate in (node.to_worker_mbit, node.to_head_mbit)]


def _rate(mbit: float | None) -> str:
    if mbit is None:
        return "-"
    return f"{mbit:.0f} Mbit/s" if mbit >= 10 else f"{mbit * 1000:.0f} kbit/s"  # noqa: PLR2004 (three digits either way)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} %"


def _mpich(node: NodeStatus) -> str:
    return node.mpich or ("none" if node.reachable else "-")


def _clock(clock: Clock | None) -> list[str]:
    """Return how far a clock is off, and what it follows."""
    from pibramble.operate.clocks import standing

    if clock is None or clock.problem:
        return ["-", "-"]
    if clock.ahead_s is None:
        return ["-", "nobody"]
    return [standing(clock.ahead_s), clock.source]


def _engine(engine: Engine | None) -> list[str]:
    """Return the engine's version, and the room for images."""
    if engine is None:
        return ["-", "-"]
    version = engine.version or ("does not answer" if engine.installed else "none")
    return [version, "-" if engine.disk_free_mb is None else f"{engine.disk_free_mb:,} MB"]


def _state(node: NodeStatus) -> str:
    return "ok" if node.reachable else "unreachable"


def _machine(machine: Machine | None) -> list[str]:
    if machine is None:
        return ["-"] * 4
    memory = f"{machine.memory_used_mb}/{machine.memory_total_mb}" if machine.memory_total_mb else "-"
    load = "-" if machine.load is None else f"{machine.load:.2f}"
    temperature = "-" if machine.temperature_c is None else f"{machine.temperature_c:.0f} C"
    up = "-" if machine.uptime_s is None else _duration(machine.uptime_s)
    return [load, memory, temperature, up]


def _duration(seconds: float) -> str:
    minutes = int(seconds) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60:02} min"
