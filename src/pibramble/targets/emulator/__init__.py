"""The emulator: the cards of the plan, booted by QEMU as they will be by the boards."""
