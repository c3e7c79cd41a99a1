"""Docker Swarm across the bramble, by `docker` itself on the nodes, over the opened connections."""
