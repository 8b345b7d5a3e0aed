"""Sources of trajectories: recorded datasets by format, and generated demonstrations."""
