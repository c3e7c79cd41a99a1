"""Time and place from a GPS receiver: read from gpsd, or straight from its serial port or a log of it."""
