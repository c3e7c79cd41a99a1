"""The pocket console: every serial line of the bench, for a shell, a browser and programs."""
