"""Cards: the bootable image of every node, and the SD card it is written to."""
