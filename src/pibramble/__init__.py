"""pibramble: from one cluster file to a running cluster of cheap boards."""

# A constant, because asking importlib.metadata for it costs more than starting Python does.
__version__ = "0.1.0"
