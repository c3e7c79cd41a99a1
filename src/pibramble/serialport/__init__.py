"""Serial devices, for whoever reads one: opened in one way, locked in every way that other programs know."""
