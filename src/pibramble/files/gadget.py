"""USB workers as network adapters: the modules, and the addresses of both ends of the cable."""

from __future__ import annotations

from collections.abc import Iterator

from pibramble.files.model import NodeFile
from pibramble.plan.model import LinkPlan, NodePlan


def worker(node: NodePlan, link: LinkPlan) -> Iterator[NodeFile]:
    """Yield what makes a board a CDC-ECM adapter. ECM, not NCM: NCM lost packets on busy boards [ClusterHAT]."""
    yield NodeFile("/etc/modules-load.d/pibramble.conf", "dwc2\ng_ether\n", "the board's USB port is a network adapter")
    # Without both addresses g_ether makes up new ones at every boot; without use_eem=0 Debian's speaks EEM, for which
    # the head's driver makes up another still. The serial number tells the boards apart in `lsusb -v`.
    options = [f"dev_addr={link.worker_mac}", f"host_addr={link.head_mac}", "use_eem=0", f"iSerialNumber={node.name}"]
    content = f"options g_ether {' '.join(options)}\n"
    yield NodeFile("/etc/modprobe.d/pibramble-gadget.conf", content, "the addresses of both ends of the cable")


def head() -> NodeFile:
    """Keep the head from taking a gadget for one of an older kind."""
    content = (
        "# It claims gadgets that cdc_ether should have, with an address of its own making; nothing passes then.\n"
    )
    content += "blacklist cdc_subset\n"
    return NodeFile("/etc/modprobe.d/pibramble-gadget.conf", content, "USB workers get the right driver")
