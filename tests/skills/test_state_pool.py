"""States that swapped objects are drawn from: gathered on demand, and the same as a copy of all of them."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import torch

from spirl_cli.clips.reader import Clips
from spirl_cli.clips.writer import ClipWriter
from spirl_cli.demos.episode import ActionBounds, Episode
from spirl_cli.recipe.sections.skills import Augmentation
from spirl_cli.skills.augmentation import Augmenter
from spirl_cli.skills.preparation import make_augmenter
from tests.support.clip_data import make_clips

SWAPS = Augmentation(swap_groups=[(1,), (2, 3)], swap_windows=1.0, swap_probability=1.0, swap_tolerance=9.0)


def test_swapped_states_are_those_of_a_copy(tmp_path: Path) -> None:
    make_clips(tmp_path / "clips.hdf5", state_dim=4, action_dim=2, horizon=3)
    mapped = Clips.open(tmp_path / "clips.hdf5", load=False)
    starts = mapped.starts("train")
    windows = torch.from_numpy(mapped.windows(starts[:50])[0])
    copied = torch.from_numpy(mapped.states(starts)).float()
    bounds = torch.ones(2)
    expected = Augmenter(SWAPS, copied, -bounds, bounds, torch.Generator().manual_seed(3)).states(windows)
    swapped = make_augmenter(SWAPS, mapped, torch.Generator().manual_seed(3)).states(windows)
    assert torch.equal(swapped, expected) and not torch.equal(swapped, windows)


def test_the_states_are_not_copied(tmp_path: Path) -> None:
    one = np.ones(1, np.float32)
    states = np.zeros((20_001, 32), np.float32)  # more than two megabytes
    with ClipWriter(tmp_path / "clips.hdf5", 3, ActionBounds(-one, one)) as writer:
        for number in range(2):
            writer.append(Episode(number, states, states[:-1, :1]))
        writer.finish(validation_fraction=0.5, seed=0, identity={})
    mapped = Clips.open(tmp_path / "clips.hdf5", load=False)
    tracemalloc.start()
    augmenter = make_augmenter(SWAPS, mapped, torch.Generator().manual_seed(3))
    augmenter.states(torch.zeros(64, 4, 32))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < states.nbytes / 4
