"""The cluster file: its types, and how it is read with every error at its line."""
