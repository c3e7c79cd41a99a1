"""Targets: where a plan becomes real."""
