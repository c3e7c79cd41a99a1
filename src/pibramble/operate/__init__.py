"""Operating a cluster over SSH alone: the same code for the lab, the emulator and real boards."""
