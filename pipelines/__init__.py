"""Floor 2, stages: raw files to store, and everything that reads or writes files on the way."""
