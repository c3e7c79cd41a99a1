"""The node files: what each node's disk must hold for the plan to be true."""
