"""The rules that a cluster must keep: each a function from a view of the cluster to what it finds wrong."""
