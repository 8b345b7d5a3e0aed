"""Environments: the kitchen, any Gymnasium environment, skills as actions, vectors of workers."""
