"""What is known about boards and parts: data files, each figure with its source and date."""
