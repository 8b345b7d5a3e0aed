"""Environments of a recipe, skills as their actions, and vectors of environments in worker processes."""
