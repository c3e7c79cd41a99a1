"""The plan: the resolved cluster, pure data, the same for the same cluster file."""
