"""The rules on power and serial lines, each a function from a cluster's feeding to what it finds: figures and a cure.

All are warnings: the file is good for a lab, whatever the boards would say to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from pibramble.advise.cures import Search
from pibramble.advise.power import BUS_POWERED_MA, Case, Feeding, Load
from pibramble.catalog import header
from pibramble.catalog.model import Board, Uart
from pibramble.catalog.parts import Bridge
from pibramble.spec.expand import WorkerSpec, expand_names, fold, uart_of
from pibramble.spec.findings import Finding, Severity, listed
from pibramble.spec.hubs import PlacedHub
from pibramble.spec.locate import Path
from pibramble.spec.model import Link

MOST_BAUD_ERROR = 0.02  # both ends together bear about 5 % over the ten bits of a byte
LEAST_FIFO_S = 0.001  # a 700 MHz board that is busy answers an interrupt this late: the SC16IS752's overruns at 0.7 ms

_HEAD: Path = ("head", "board")


def judge(feeding: Feeding) -> list[Finding]:
    """Return what is doubtful about the power and the wires of a cluster that was judged sound."""
    findings = [finding for rule in RULES for finding in rule(feeding)]
    search = Search(feeding, POWER_RULES)
    return [finding if finding.cure else attrs.evolve(finding, cure=search.cure(finding)) for finding in findings]


# --- Power: the rules without a cure of their own leave it to a search for parts that help ---


def power_port(feeding: Feeding) -> Iterator[Finding]:
    """Check what each USB port gives."""
    head = feeding.power(feeding.head)
    rows = [(feeding.head, feeding.board(feeding.head), head.usb_port_ma, feeding.head_plugs)]
    rows += [(hub.name, hub.model, hub.hub.port_ma, hub.taken) for hub in feeding.hubs.values()]
    for owner, model, limit, plugs in rows:
        if limit is None:
            continue
        over: dict[tuple[Load, str], list[str]] = {}
        for name in plugs:
            load = feeding.plug_load(name)
            if load.first_over(limit):
                over.setdefault((load, _reckoned(feeding, name)), []).append(name)
        for (load, reckoned), names in over.items():
            each = f"{_some(names)} {'draw' if len(names) > 1 else 'draws'} {_figures(load)}"
            message = (
                f"{each}{' each' if len(names) > 1 else ''}{reckoned}; a port of {owner} ({model}) gives {limit} mA"
            )
            yield _finding("power-port", _place(feeding, names[0]), message)


def power_total(feeding: Feeding) -> Iterator[Finding]:
    """Check what the head's ports give in all."""
    limit, load = feeding.power(feeding.head).usb_total_ma, feeding.head_ports
    if limit is not None and (case := load.first_over(limit)):
        takers = feeding.head_plugs
        board = feeding.board(feeding.head)
        draw = "together draw" if len(takers) > 1 else "draws"
        message = f"{_some(takers)} {draw} {_figures(load)}; the USB ports of a {board} give {limit} mA in all"
        yield _finding("power-total", _HEAD, f"{message}: too little {case}")


def power_hub(feeding: Feeding) -> Iterator[Finding]:
    """Check what each hub gives in all."""
    for hub in feeding.hubs.values():
        if hub.name in feeding.on_a_supply:
            continue
        load = feeding.below(hub)
        powered = feeding.powered(hub)
        limit = hub.hub.supply_ma if powered else BUS_POWERED_MA - hub.hub.own_ma
        if limit is None or not (case := load.first_over(limit)):
            continue
        gives = f"its supply gives {limit} mA" if powered else f"without a supply it has {limit} mA to give"
        message = f"{hub.name} ({hub.model}) must give {_figures(load)}; {gives}: too little {case}"
        yield _finding("power-hub", ("hubs", hub.index, "model"), message)


def power_supply(feeding: Feeding) -> Iterator[Finding]:
    """Check what each supply gives, in all and at each outlet, and what the head's own must give."""
    for source in feeding.sources:
        path: Path = ("supplies", source.index, "feeds")
        load, supply = feeding.drawn_from(source), source.supply
        if case := load.first_over(supply.max_ma):
            message = f"{_some(source.feeds)} draw {_figures(load)}; a {source.model} gives {supply.max_ma} mA"
            yield _finding("power-supply", path, f"{message}: too little {case}")
        if len(source.feeds) > supply.outlets:
            message = f"{len(source.feeds)} nodes and hubs on a {source.model}, which has {supply.outlets} outlet"
            message += "s" * (supply.outlets > 1)
            yield _finding("supply-outlets", path, message)
    head = feeding.power(feeding.head)
    load = feeding.own_load(feeding.head) + feeding.head_ports
    if feeding.head not in feeding.on_a_supply and head.supply_ma is not None and load.first_over(head.supply_ma):
        board = feeding.board(feeding.head)
        message = f"the head and what its ports feed draw {_figures(load)}; the supply that goes with a {board} gives"
        yield _finding("power-supply", _HEAD, f"{message} {head.supply_ma} mA")


def power_unknown(feeding: Feeding) -> Iterator[Finding]:
    """Name the boards that others feed and whose current nobody knows."""
    told: set[str] = set()
    for name in feeding.workers:
        board = feeding.board(name)
        if feeding.fed_by_its_cable(name) and feeding.own_load(name).unknown and board not in told:
            told.add(board)
            message = f"how much a {board} draws is not known: {name} is left out of every sum"
            cure = f"measure it, and add [catalog.power.{board}] with idle_ma and stress_ma"
            yield _finding("power-unknown", _place(feeding, name), message, cure)


def back_power(feeding: Feeding) -> Iterator[Finding]:
    """Check that no current comes where it should not: from a hub into the head, from two sides into a worker."""
    if feeding.power(feeding.head).backfeeds:
        for name in feeding.root_hubs:
            hub = feeding.hubs[name]
            if feeding.powered(hub) and hub.backfeeds is not False:
                yield _backfeeding(feeding, hub)
    for worker in feeding.workers.values():
        if worker.link is not Link.USB or worker.name in feeding.cut:
            continue
        own = worker.name in feeding.on_a_supply
        if own or not feeding.power(worker.name).feeds_from_usb:
            why = "its supply" if own else f"its own supply (a {worker.board.name}'s USB port is no power input)"
            message = f"{worker.name} has {why}, and its USB cable brings the head's 5 V: each pushes into the other"
            cure = "cut the cable's red wire, or put tape over its 5 V contact; data and ground stay"
            cure += f'\nthen write, under [parts], cut_5v = "{worker.name}"'
            yield _finding("back-power", _place(feeding, worker.name), message, cure)


def _backfeeding(feeding: Feeding, hub: PlacedHub) -> Finding:
    board = feeding.board(feeding.head)
    knows = "pushes" if hub.backfeeds else "may push"
    message = f"{hub.name} ({hub.model}) has a supply and {knows} its 5 V into the head, past the fuse of a {board}"
    cure = (
        "measure its plug with only the hub's supply on: 0 V is good, then write backfeeds = false\n"
        "5 V: cut the red wire of the cable between them, or take another hub"
    )
    return _finding("back-power", ("hubs", hub.index, "backfeeds"), message, cure)


def usb_ports(feeding: Feeding) -> Iterator[Finding]:
    """Check that everything that is plugged in has a port."""
    ports = feeding.catalogue.boards[feeding.board(feeding.head)].usb_host_ports
    plugs = feeding.head_plugs
    if len(plugs) > ports:
        message = (
            f"{_each_kind(feeding, plugs)}: {len(plugs)} plugs, and the head has {ports} USB port{'s' * (ports != 1)}"
        )
        yield _finding("usb-ports", _HEAD, message)
    for hub in feeding.hubs.values():
        if hub.plugs > hub.hub.ports:
            message = f"{hub.plugs} plugs, and {hub.name} ({hub.model}) has {hub.hub.ports} ports"
            yield _finding("usb-ports", ("hubs", hub.index, "workers"), message)


# --- Serial lines: what is the same for several workers is said once ---


def mini_uarts(feeding: Feeding) -> Iterator[Finding]:
    """Name the serial links on a mini UART."""
    head = feeding.catalogue.boards[feeding.board(feeding.head)]
    alike: dict[tuple[Board, Uart], list[WorkerSpec]] = {}
    for worker in _serial(feeding):
        for device, board in ((worker.head_port, head), (worker.worker_port, worker.board)):
            uart = uart_of(board, device)
            if uart and uart.kind == "mini":
                alike.setdefault((board, uart), []).append(worker)
    for (board, uart), workers in alike.items():
        message = (
            f"{_names(workers)}: {uart.device} of a {board.name} is its mini UART: its speed follows the core clock"
        )
        better = next((u.device for u in board.uarts if u.kind != "mini"), None)
        cure = f"{better} does better" if better else "keep the core clock fixed: core_freq=250"
        yield _finding("mini-uart", _place(feeding, workers[0].name), message, cure)


def flow_control_pins(feeding: Feeding) -> Iterator[Finding]:
    """Name the headers that bring out no RTS and CTS for a line that is to have them."""
    head = feeding.catalogue.boards[feeding.board(feeding.head)]
    alike: dict[tuple[Board, Uart], list[WorkerSpec]] = {}
    for worker in filter(lambda worker: worker.flow_control, _serial(feeding)):
        for device, board in ((worker.head_port, head), (worker.worker_port, worker.board)):
            uart = uart_of(board, device)
            if uart and uart.pins and not header.has_flow_control(uart, board):
                alike.setdefault((board, uart), []).append(worker)
    for (board, uart), workers in alike.items():
        message = f"{_names(workers)}: the header of a {board.name} brings out no RTS and CTS of {uart.device}"
        if uart.pins == header.WITH_FLOW_CONTROL:
            message += f": it has {header.pins_of(board)} pins"
        cure = f"leave flow_control out, baud = {uart.max_baud} at most; or a USB serial adapter there"
        yield _finding("flow-control-pins", _place(feeding, workers[0].name), message, cure)


def bridge_speeds(feeding: Feeding) -> Iterator[Finding]:
    """Check that each bridge makes the speed of its lines, and empties its buffers in time."""
    models = {port: section.model for section in feeding.cluster.bridges for port in expand_names(section.ports)}
    alike: dict[tuple[str, int, bool], list[WorkerSpec]] = {}
    for worker in _serial(feeding):
        if model := models.get(worker.head_port or ""):
            alike.setdefault((model, worker.baud or 0, worker.flow_control), []).append(worker)
    for (model, baud, flow_control), workers in alike.items():
        bridge, path = feeding.catalogue.bridges[model], _place(feeding, workers[0].name)
        yield from _bridge_baud(bridge, model, baud, path, _names(workers))
        fills_s = bridge.fifo_bytes * 10 / baud
        if not flow_control and fills_s < LEAST_FIFO_S:
            fills = f"the {bridge.fifo_bytes} bytes of a {model}'s buffer fill in {fills_s * 1000:.1f} ms"
            message = f"{_names(workers)}: at {baud:,} baud {fills}: some get lost"
            yield _finding("bridge-overrun", path, message, "wire RTS and CTS, flow_control = true; or 460800 baud")


def _bridge_baud(bridge: Bridge, model: str, baud: int, path: Path, names: str) -> Iterator[Finding]:
    error, made = baud_error(bridge, baud)
    if baud > bridge.max_baud:
        message = f"{names}: {baud:,} baud is more than a {model} can do: {bridge.max_baud:,}"
        yield _finding("bridge-baud", path, message, f"baud = {bridge.max_baud}")
    elif error > MOST_BAUD_ERROR:
        off = f"{baud:,}: {error:.1%} off"
        message = f"{names}: a {model} with {bridge.crystal_hz / 1e6:g} MHz makes {made:,.0f} baud of {off}"
        cure = f"baud = {made:.0f}" if abs(made - round(made)) < 1 else "another crystal"
        yield _finding("bridge-baud", path, message, cure)


def bridge_drivers(feeding: Feeding) -> Iterator[Finding]:
    """Name the bridges whose driver the boards' kernel lacks."""
    for number, section in enumerate(feeding.cluster.bridges):
        bridge = feeding.catalogue.bridges[section.model]
        if not bridge.driver_in_debian:
            message = (
                f"a {section.model} needs the driver {bridge.driver}, which Debian's kernel for these boards lacks"
            )
            cure = f"build {bridge.driver} for the head's kernel, or take an sc16is752"
            yield _finding("bridge-driver", ("bridges", number, "model"), message, cure)


def baud_error(bridge: Bridge, baud: int) -> tuple[float, float]:
    """Return how far a bridge's nearest speed is from the one asked for, as a share of it, and that speed in baud.

    Source: the data sheets' divisor, clock / (sampling x baud), whole or with a few bits of fraction.
    """
    steps = 2**bridge.fractional_bits
    best = (1.0, 0.0)
    for factor in bridge.pll_factors or (1,):
        clock = bridge.crystal_hz * factor
        divisor = max(steps, round(clock * steps / (bridge.sampling * baud)))
        made = clock * steps / (bridge.sampling * divisor)
        best = min(best, (abs(made - baud) / baud, made))
    return best


POWER_RULES = (power_port, power_total, power_hub, power_supply, usb_ports)  # whose cures are searched for
RULES = (
    *POWER_RULES,
    power_unknown,
    back_power,
    mini_uarts,
    flow_control_pins,
    bridge_speeds,
    bridge_drivers,
)


def _finding(rule: str, path: Path, message: str, cure: str = "") -> Finding:
    return Finding(rule, path, message, cure, Severity.WARNING)


def _figures(load: Load) -> str:
    if len({load.ma(case) for case in Case}) == 1:
        return f"{load.worst_ma} mA"
    return ", ".join(f"{load.ma(case)} mA {case}" for case in Case)


def _reckoned(feeding: Feeding, name: str) -> str:
    """Say whose figure a device's current is: the file does not name its make."""
    return f" (reckoned as a {feeding.devices[name].part})" if name in feeding.devices else ""


def _each_kind(feeding: Feeding, plugs: Sequence[str]) -> str:
    """Return what is plugged in: workers and hubs counted, devices by name, so that each can be found."""
    devices = [name for name in plugs if name in feeding.devices]
    others = [name for name in plugs if name not in feeding.devices]
    return listed([*([_some(others)] if others else []), *devices]) if devices else _some(others)


def _serial(feeding: Feeding) -> Iterator[WorkerSpec]:
    return (worker for worker in feeding.workers.values() if worker.link is Link.SERIAL)


def _place(feeding: Feeding, name: str) -> Path:
    if name in feeding.hubs:
        return ("hubs", feeding.hubs[name].index, "model")
    if name in feeding.devices:
        return feeding.devices[name].device.path
    return ("workers", feeding.workers[name].group, "name")


def _names(workers: Sequence[WorkerSpec]) -> str:
    return fold(worker.name for worker in workers)


def _some(names: Sequence[str]) -> str:
    most = 3
    return listed(names) if len(names) <= most else f"{names[0]} and {len(names) - 1} more"
