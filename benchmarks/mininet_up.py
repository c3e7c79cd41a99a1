"""Brings Mininet hosts up on one Linux bridge, says so, and takes them down when its input ends.

Runs under Debian's own Python, where Debian's mininet package lives; benchmarks/lab_up.py starts it.
"""

import sys

from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import SingleSwitchTopo


def main() -> None:
    """Bring as many hosts up as the command line says."""
    net = Mininet(topo=SingleSwitchTopo(k=int(sys.argv[1])), switch=LinuxBridge, controller=None)
    net.start()
    print("up", flush=True)
    sys.stdin.read()
    net.stop()


if __name__ == "__main__":
    main()
