"""The skill model and its prior: networks, losses, training, and export for inference without torch.

`models.py` (the skill VAE) and `prior.py` follow the paper; `skill_training.py` and `prior_training.py` train them.
"""
