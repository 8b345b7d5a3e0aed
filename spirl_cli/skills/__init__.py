"""The skill model and its prior: networks, losses, training and NumPy inference.

Read `models.py` (the skill VAE) and `prior.py` beside the paper; `training.py` trains both.
"""
