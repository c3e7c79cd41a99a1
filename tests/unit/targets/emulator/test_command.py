"""QEMU's command line: the right machine, and every wire where the plan has it."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import attrs
import pytest

from pibramble.errors import UsageError
from pibramble.plan.model import Plan, Uplink
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, ClusterSection, ConsoleSection, GpsSection, HeadSection, Link, WorkerGroup
from pibramble.targets.emulator import extras
from pibramble.targets.emulator.command import Places, Port, command, ports, uplink
from pibramble.targets.emulator.machines import machine_for
from pibramble.targets.emulator.order import socket_paths

PORT = 22_022
SOCKETS = Path("/run/wires")


def qemu(plan: Plan, name: str, folder: str = "/state") -> list[str]:
    node = plan.node(name)
    places = Places(Path(folder), SOCKETS, name)
    return command(plan, node, machine_for(node), places, "root=x", uplink(plan, PORT, SOCKETS / "world"))


def values(argv: list[str], option: str) -> list[str]:
    return [argv[number + 1] for number, word in enumerate(argv) if word == option]


def serial(*groups: WorkerGroup, board: str = "pi-1b") -> Plan:
    return resolve(Cluster(head=HeadSection(board=board), workers=groups))


def test_every_machine_starts_the_cards_kernel_and_ends_rather_than_to_reboot(plan: Plan) -> None:
    for node in plan.nodes:
        argv = qemu(plan, node.name)
        assert argv[0] == machine_for(node).program
        assert values(argv, "-kernel") == ["/state/kernel"]
        assert values(argv, "-initrd") == ["/state/initramfs"]
        assert values(argv, "-append") == ["root=x"]
        assert {"-no-reboot", "-nodefaults"} <= set(argv)  # the keeper starts it again; no device that nobody named
        assert values(argv, "-display") == values(argv, "-monitor") == ["none"]


def test_a_board_has_its_device_tree_and_its_card_in_the_slot(plan: Plan) -> None:
    argv = qemu(plan, "zero1")
    assert values(argv, "-machine") == ["raspi0"]
    assert values(argv, "-dtb") == ["/state/board.dtb"]
    [disk] = values(argv, "-drive")
    assert {"file=/state/disk.qcow2", "format=qcow2", "if=sd"} <= set(disk.split(","))
    # A QEMU that is killed leaves the disk as the board has written it.
    assert "cache.writeback=off" in disk.split(",")


def test_a_board_of_64_bits_is_the_virtual_machine_with_its_card_on_virtio(plan: Plan) -> None:
    argv = qemu(plan, "two")
    assert argv[0] == "qemu-system-aarch64"
    assert (values(argv, "-machine"), values(argv, "-cpu")) == (["virt"], ["cortex-a53"])
    assert values(argv, "-smp") == ["1"]  # several would starve each other while one polls
    assert "-dtb" not in argv
    devices = values(argv, "-device")
    assert "virtio-blk-pci,drive=card" in devices
    assert "pci-serial,chardev=console" in devices
    assert "if=none" in values(argv, "-drive")[0]
    # No ROM is asked for: Debian's qemu-system-arm brings none.
    assert [device for device in devices if device.startswith("virtio-net-pci,romfile=,netdev=backplane,mac=")]
    assert not [device for device in devices if device.startswith("usb-")]


def test_the_head_has_an_uplink_that_leads_to_its_ssh_and_only_from_this_machine(plan: Plan) -> None:
    argv = qemu(plan, "head")
    [router] = [net for net in values(argv, "-netdev") if net.startswith("user,id=router")]
    assert f"hostfwd=tcp:127.0.0.1:{PORT}-10.0.2.15:22" in router.split(",")
    assert "ipv6=off" in router.split(",")
    [adapter] = [device for device in values(argv, "-device") if "netdev=uplink" in device]
    assert adapter == f"usb-net,netdev=uplink,mac={extras.uplink_mac(plan)}"
    # A machine of the world is plugged into the same network.
    assert [net for net in values(argv, "-netdev") if "addr.path=/run/wires/world" in net]
    assert len([net for net in values(argv, "-netdev") if net.startswith("hubport") and "hubid=0" in net]) == 3


def test_no_worker_has_an_uplink(plan: Plan) -> None:
    for worker in plan.workers:
        said = " ".join(qemu(plan, worker.name))
        assert "hostfwd" not in said
        assert "hubport" not in said


def test_who_has_a_usb_cable_has_the_hidden_network_and_nobody_else(plan: Plan) -> None:
    for node in plan.nodes:
        nets = [net for net in values(qemu(plan, node.name), "-netdev") if net.startswith("user,id=backplane")]
        assert len(nets) == (0 if node.name == "aplus" else 1), node.name
        assert not [net for net in nets if "hostfwd" in net]
    macs = {extras.backplane_mac(plan, node) for node in plan.nodes} | {extras.uplink_mac(plan)}
    assert len(macs) == len(plan.nodes) + 1


def test_both_ends_of_a_serial_link_are_wired_to_the_relay(plan: Plan) -> None:
    head_socket, worker_socket = socket_paths(SOCKETS, "aplus")
    for name, socket in {"head": head_socket, "aplus": worker_socket}.items():
        argv = qemu(plan, name)
        link = f"socket,id=link0,path={socket},server=off,reconnect=1"
        assert link in values(argv, "-chardev")
        # The first UART is the PL011, the second the mini UART: the console.
        assert values(argv, "-serial") == ["chardev:link0", "chardev:console"]


def test_a_link_on_the_uart_of_a_64_bit_board_is_on_the_one_of_the_virtual_machine() -> None:
    plan = serial(WorkerGroup(name="a", board="pi-zero-2w", link=Link.SERIAL, head_port="/dev/ttyAMA0"), board="pi-3b")
    for name in ("head", "a"):
        argv = qemu(plan, name)
        assert values(argv, "-serial") == ["chardev:link0"]
        assert "pci-serial,chardev=console" in values(argv, "-device")


def test_a_uart_without_a_link_is_open(plan: Plan) -> None:
    assert values(qemu(plan, "zero1"), "-serial") == ["null", "chardev:console"]


def test_every_console_has_a_socket_and_is_logged(plan: Plan) -> None:
    for node in plan.nodes:
        [console] = [char for char in values(qemu(plan, node.name), "-chardev") if char.startswith("socket,id=console")]
        assert f"path=/run/wires/{node.name}.console" in console.split(",")
        assert {"server=on", "wait=off", "logfile=/state/console.log", "logappend=on"} <= set(console.split(","))


def test_a_comma_in_a_folders_name_ends_no_option(plan: Plan) -> None:
    argv = qemu(plan, "zero1", "/state of a, b")
    assert values(argv, "-drive")[0].startswith("file=/state of a,, b/disk.qcow2,format")
    assert "logfile=/state of a,, b/console.log" in " ".join(values(argv, "-chardev"))


def test_usb_serial_adapters_come_in_their_order() -> None:
    plan = serial(
        WorkerGroup(name="a", board="pi-1a-plus", link=Link.SERIAL, head_port="/dev/ttyAMA0"),
        WorkerGroup(name="b[1-2]", board="pi-1a-plus", link=Link.SERIAL, head_port="/dev/ttyUSB[0-1]"),
    )
    argv = qemu(plan, "head")
    assert [device for device in values(argv, "-device") if "usb-serial" in device] == [
        "usb-serial,chardev=link1,always-plugged=on",
        "usb-serial,chardev=link2,always-plugged=on",
    ]
    assert [f"path=/run/wires/b{number}.head" in " ".join(argv) for number in (1, 2)] == [True, True]
    assert values(argv, "-serial")[0] == "chardev:link0"


def test_the_virtual_machine_has_a_usb_controller_where_it_has_an_adapter() -> None:
    group = WorkerGroup(name="b[1-2]", board="pi-zero-2w", link=Link.SERIAL, head_port="/dev/ttyUSB[0-1]")
    plan = serial(group, board="pi-3b")
    usb = [device for device in values(qemu(plan, "head"), "-device") if "usb" in device or "xhci" in device]
    assert usb == [
        "qemu-xhci",
        "usb-serial,chardev=link0,always-plugged=on",
        "usb-serial,chardev=link1,always-plugged=on",
    ]
    assert not [device for device in values(qemu(plan, "b1"), "-device") if "xhci" in device]


@pytest.mark.parametrize(
    ("head_board", "head_port"), [("pi-1b", "/dev/ttyUSB1"), ("pi-4b", "/dev/ttyAMA2"), ("pi-3b", "/dev/ttyS0")]
)
def test_a_link_on_a_port_that_the_machine_has_not_is_refused(head_board: str, head_port: str) -> None:
    group = WorkerGroup(name="a", board="pi-1a-plus", link=Link.SERIAL, head_port=head_port)
    with pytest.raises(UsageError, match=r"head has a link on /dev/tty\w+, which the emulated .* has not") as error:
        qemu(serial(group, board=head_board), "head")
    assert error.value.hint == "it has /dev/ttyAMA0 and USB adapters in their order: /dev/ttyUSB0 is next"


def test_a_receiver_and_a_switch_have_sockets_where_the_head_has_such_ports() -> None:
    group = WorkerGroup(name="b[1-2]", board="pi-1a-plus", link=Link.SERIAL, head_port="/dev/ttyUSB[0-1]")
    lines = {"sw1": "/dev/ttyUSB3", "sw2": "/dev/ttyUSB2", "sw3": "/dev/serial/by-path/a", "sw4": "/dev/ttyUSB5"}
    plan = resolve(
        Cluster(
            head=HeadSection(board="pi-1b"),
            workers=(group,),
            gps=GpsSection(port="/dev/ttyAMA0"),
            consoles=tuple(ConsoleSection(name=name, port=port) for name, port in lines.items()),
        )
    )
    assert ports(plan, SOCKETS) == [
        Port("gps", "/dev/ttyAMA0", SOCKETS / "head.ttyAMA0"),
        Port("sw1", "/dev/ttyUSB3", SOCKETS / "head.ttyUSB3"),
        Port("sw2", "/dev/ttyUSB2", SOCKETS / "head.ttyUSB2"),
        Port("sw3", "/dev/serial/by-path/a", None),
        Port("sw4", "/dev/ttyUSB5", None),  # the adapters before it are nobody's
    ]
    argv = qemu(plan, "head")
    wired = {chardev.split(",")[1]: chardev for chardev in values(argv, "-chardev")}
    assert values(argv, "-serial")[0] == "chardev:link2"
    assert wired["id=link2"] == "socket,id=link2,path=/run/wires/head.ttyAMA0,server=on,wait=off"
    assert "head.ttyUSB2" in wired["id=link3"]
    assert "head.ttyUSB3" in wired["id=link4"]
    adapters = [device for device in values(argv, "-device") if "usb-serial" in device]
    assert adapters == [f"usb-serial,chardev=link{number},always-plugged=on" for number in (0, 1, 3, 4)]
    assert not [wire for wire in values(qemu(plan, "b1"), "-chardev") if "head.tty" in wire]


def test_the_uart_of_a_link_is_no_receivers() -> None:
    group = WorkerGroup(name="a", board="pi-1a-plus", link=Link.SERIAL, head_port="/dev/ttyAMA0")
    plan = resolve(Cluster(head=HeadSection(board="pi-1b"), workers=(group,), gps=GpsSection(port="/dev/ttyUSB0")))
    assert ports(plan, SOCKETS) == [Port("gps", "/dev/ttyUSB0", SOCKETS / "head.ttyUSB0")]
    assert ports(serial(group), SOCKETS) == []


def test_a_fixed_address_of_the_uplink_gives_it_its_network(plan: Plan) -> None:
    fixed = Uplink("eth0", IPv4Interface("192.168.1.20/24"), IPv4Address("192.168.1.254"))
    up = uplink(attrs.evolve(plan, uplink=fixed), PORT, SOCKETS / "world")
    assert (up.network, up.head, up.router) == (IPv4Network("192.168.1.0/24"), "192.168.1.20", "192.168.1.254")


def test_a_fixed_address_without_a_gateway_has_a_router_that_is_somebody_else(plan: Plan) -> None:
    fixed = Uplink("eth0", IPv4Interface("192.168.1.1/24"), None)
    up = uplink(attrs.evolve(plan, uplink=fixed), PORT, SOCKETS / "world")
    assert (up.head, up.router) == ("192.168.1.1", "192.168.1.2")
    # QEMU's name server has an address of its own too.
    argv = command(
        attrs.evolve(plan, uplink=fixed), plan.head, machine_for(plan.head), Places(Path("/s"), SOCKETS, "head"), "", up
    )
    [router] = [net for net in values(argv, "-netdev") if net.startswith("user,id=router")]
    assert "dns=192.168.1.3" in router.split(",")


@pytest.mark.parametrize("subnet", ["10.0.2.0/24", "10.0.0.0/16", "172.31.213.0/24", "192.168.213.0/24"])
def test_the_uplink_is_no_network_of_the_plans(subnet: str) -> None:
    plan = resolve(Cluster(cluster=ClusterSection(subnet=IPv4Network(subnet)), workers=(WorkerGroup(name="zero1"),)))
    up = uplink(plan, PORT, SOCKETS / "world")
    assert not up.network.overlaps(plan.subnet)
    assert IPv4Address(up.head) in up.network
    assert IPv4Address(up.router) in up.network
    assert up.head != up.router


def test_the_command_line_is_the_same_every_time(plan: Plan) -> None:
    assert json.dumps(qemu(plan, "head")) == json.dumps(qemu(plan, "head"))
