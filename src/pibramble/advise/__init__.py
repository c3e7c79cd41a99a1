"""What to know before buying and plugging in: cost, power, wiring. Pure: a cluster goes in, advice comes out."""
