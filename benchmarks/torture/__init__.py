"""Inputs and events that must not harm: each module is a command of `make torture`."""
