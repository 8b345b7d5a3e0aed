"""A recipe to inherit from, and the error of a recipe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from spirl_cli.errors import UsageError
from spirl_cli.recipe.load import load_recipe

KITCHEN = """\
# Kitchen for tests.
env:
  kind: kitchen
  noise: 0.01
extract:
  dataset: test/kitchen-v0
train_skills:
  horizon: 10
  learning_rate: 1e-3
  augmentation:
    independent: 0.5
profiles:
  quick:
    train_skills: {iterations: 20}
    train_rl: {steps: 1_000}
"""
Write = Callable[[str, str], Path]


def error_of(ref: Path | str, *overrides: str, profile: str | None = None, seed: int | None = None) -> str:
    """Return the message of the error that loading a recipe raises."""
    with pytest.raises(UsageError) as caught:
        load_recipe(ref, overrides=overrides, profile=profile, seed=seed)
    return caught.value.message
