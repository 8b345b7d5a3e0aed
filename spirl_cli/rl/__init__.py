"""Soft actor-critic regularised by a skill prior.

`sac.py` is Algorithm 1 of the paper; `loop.py` runs simulator and learner side by side.
"""
