"""Cables and pinouts: what is joined to what, whether that is safe, and how it is drawn."""
