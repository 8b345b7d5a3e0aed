"""Readers of the formats in which people keep trajectories, one module each."""
