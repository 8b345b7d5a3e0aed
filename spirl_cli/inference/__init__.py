"""Trained networks in NumPy, without torch: decoders, densities, perception, policies and the Python agent."""
