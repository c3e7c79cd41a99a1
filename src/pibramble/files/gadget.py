"""USB workers as network adapters: the modules, and the addresses of both ends of the cable.

With a console they are a serial port besides. g_ether has none, and Debian's kernels no g_cdc, so the two functions are
put together in the kernel's configfs (Documentation/usb/gadget_configfs.rst), by a script that a unit starts.
Seen in the emulator, whose controller is the kernel's own; no board has run it.
"""

from __future__ import annotations

from collections.abc import Iterator

from pibramble.files import units
from pibramble.files.model import NodeFile, Symlink
from pibramble.plan.model import USB_MAKER, USB_PRODUCT, LinkPlan, NodePlan

SCRIPT = "/usr/local/lib/pibramble/gadget"
_SERVICE = "pibramble-gadget.service"
TTY = "ttyGS0"  # the worker's end of the console

# 1d6b:0104 is the Linux Foundation's "Multifunction Composite Gadget"; class ef/02/01 says that interfaces belong
# together (USB 2.0 ECN, Interface Association Descriptor). Power as g_ether says it: the board has a supply of its own
# as far as the hub's budget goes, which would else refuse it (usb_gadget_vbus_draw's default, 2 mA).
_SCRIPT = """\
#!/bin/sh
# Makes this board's USB port a network adapter (CDC-ECM) and a serial port (CDC-ACM), as soon as it can be a device's.
# `stop` undoes it.
set -eu
gadget=/sys/kernel/config/usb_gadget/pibramble

stop() {{
    [ -d "$gadget" ] || return 0
    [ -z "$(cat "$gadget/UDC")" ] || echo >"$gadget/UDC"
    rm -f "$gadget"/configs/c.1/*.usb0
    for folder in configs/c.1/strings/0x409 configs/c.1 functions/ecm.usb0 functions/acm.usb0 strings/0x409; do
        [ ! -d "$gadget/$folder" ] || rmdir "$gadget/$folder"
    done
    rmdir "$gadget"
}}

build() {{
    mkdir -p "$gadget/strings/0x409" "$gadget/configs/c.1/strings/0x409"
    cd "$gadget"
    echo 0x1d6b >idVendor
    echo 0x0104 >idProduct
    echo 0xef >bDeviceClass
    echo 0x02 >bDeviceSubClass
    echo 0x01 >bDeviceProtocol
    echo {maker} >strings/0x409/manufacturer
    echo {product} >strings/0x409/product
    echo {name} >strings/0x409/serialnumber
    echo "network and console" >configs/c.1/strings/0x409/configuration
    echo 0xc0 >configs/c.1/bmAttributes
    echo 2 >configs/c.1/MaxPower
    mkdir functions/ecm.usb0
    echo {worker_mac} >functions/ecm.usb0/dev_addr
    echo {head_mac} >functions/ecm.usb0/host_addr
    mkdir functions/acm.usb0
    # In this order: the head knows the console by the number of its interface.
    ln -s "$gadget/functions/ecm.usb0" configs/c.1/ecm.usb0
    ln -s "$gadget/functions/acm.usb0" configs/c.1/acm.usb0
    cd /
}}

if [ "${{1:-}}" = stop ]; then
    stop
    exit 0
fi
[ -d "$gadget" ] || build
while [ -z "$(cat "$gadget/UDC")" ]; do
    for controller in /sys/class/udc/*; do
        [ -e "$controller" ] || continue
        echo "${{controller##*/}}" >"$gadget/UDC" && exit 0
    done
    sleep 1 # it has no driver yet
done
"""

# Early, as modules are loaded; nothing waits for it, since the controller may come late.
_UNIT = f"""\
[Unit]
Description=This board on USB: a network adapter and a serial console
DefaultDependencies=no
Requires=sys-kernel-config.mount
After=sys-kernel-config.mount systemd-modules-load.service systemd-remount-fs.service
Conflicts=shutdown.target
Before=shutdown.target

[Service]
ExecStart={SCRIPT}
ExecStopPost={SCRIPT} stop
RemainAfterExit=yes
Restart=on-failure
RestartSec=2

[Install]
WantedBy=sysinit.target
"""

_RULE = f"""\
SUBSYSTEM=="tty", KERNEL=="{TTY}", TAG+="systemd", ENV{{SYSTEMD_WANTS}}+="serial-getty@{TTY}.service"
"""


def worker(node: NodePlan, link: LinkPlan) -> Iterator[NodeFile]:
    """Yield what makes a board a CDC-ECM adapter. ECM, not NCM: NCM lost packets on busy boards [ClusterHAT]."""
    yield NodeFile("/etc/modules-load.d/pibramble.conf", "dwc2\ng_ether\n", "the board's USB port is a network adapter")
    # Without both addresses g_ether makes up new ones at every boot; without use_eem=0 Debian's speaks EEM, for which
    # the head's driver makes up another still. The serial number tells the boards apart in `lsusb -v`.
    options = [f"dev_addr={link.worker_mac}", f"host_addr={link.head_mac}", "use_eem=0", f"iSerialNumber={node.name}"]
    content = f"options g_ether {' '.join(options)}\n"
    yield NodeFile("/etc/modprobe.d/pibramble-gadget.conf", content, "the addresses of both ends of the cable")


def console(node: NodePlan, link: LinkPlan) -> Iterator[NodeFile | Symlink]:
    """Yield what makes a board a CDC-ECM adapter and a serial console."""
    modules = "dwc2\nlibcomposite\nusb_f_ecm\nusb_f_acm\n"
    yield NodeFile("/etc/modules-load.d/pibramble.conf", modules, "the board's USB port is a device")
    script = _SCRIPT.format(
        maker=USB_MAKER, product=USB_PRODUCT, name=node.name, worker_mac=link.worker_mac, head_mac=link.head_mac
    )
    yield NodeFile(SCRIPT, script, "puts the network adapter and the serial console together", mode=0o755)
    yield NodeFile(f"/etc/systemd/system/{_SERVICE}", _UNIT, "the board's USB port becomes both at boot")
    yield units.enable(_SERVICE, "the board is there on USB from the start", wanted_by="sysinit.target", ours=True)
    why = "somebody logs in as soon as the console is there; nothing waits for one that is not"
    yield NodeFile("/etc/udev/rules.d/90-pibramble-console.rules", _RULE, why)


def head() -> NodeFile:
    """Keep the head from taking a gadget for one of an older kind."""
    content = (
        "# It claims gadgets that cdc_ether should have, with an address of its own making; nothing passes then.\n"
    )
    content += "blacklist cdc_subset\n"
    return NodeFile("/etc/modprobe.d/pibramble-gadget.conf", content, "USB workers get the right driver")
