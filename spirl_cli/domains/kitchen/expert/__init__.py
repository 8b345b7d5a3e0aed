"""A scripted demonstrator of FrankaKitchen: state machines on the simulator's state, steered in Cartesian space."""
