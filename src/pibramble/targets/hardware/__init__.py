"""Real boards: on the head itself links are looked at and repaired; from a PC the head is asked to."""
