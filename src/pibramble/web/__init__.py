"""The pages that `pibramble serve` shows: consoles in a browser, and room for others."""
