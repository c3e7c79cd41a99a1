"""The virtual lab: every node a set of namespaces on this machine, every wire a shaped veth pair."""
