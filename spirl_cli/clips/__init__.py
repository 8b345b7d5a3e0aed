"""The clip dataset: a file that stores every demonstrated step once, and windows read from it."""
