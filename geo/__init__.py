"""Floor 1, formulas: arrays and frames in, arrays and frames out; no file, clock, network, plot or config."""
