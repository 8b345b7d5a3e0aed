"""Where trajectories come from: Minari datasets, D4RL files and folders of HDF5 rollouts."""
