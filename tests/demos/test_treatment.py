"""What a recipe says about datasets that are not right: masks, bad episodes, actions beyond their bounds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pydantic import ValidationError

from spirl_cli.errors import DatasetError
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.settings import WHOLE_OBSERVATION, ObservationPart
from spirl_cli.store.fingerprint import fingerprint
from tests.support.demos_data import identify, open_demonstrations
from tests.support.format_writers import make_episodes, write_robomimic, write_rollouts

STATE = (ObservationPart(key="state"),)


def section(dataset: Path, **more: Any) -> ExtractSection:
    return ExtractSection(
        **{"dataset": str(dataset), "observation": WHOLE_OBSERVATION, "action_bounds": (-1, 1), "seed": 0, **more}
    )


@pytest.fixture
def spoiled(tmp_path: Path) -> Path:
    """Six episodes of 11 to 16 steps: NaN in the first state of number 2, an action beyond the bounds in number 4."""
    episodes = make_episodes(6)
    episodes[2][0][0, 3] = np.nan
    episodes[4][1][5, 1] = 1.37
    return write_rollouts(tmp_path / "folder", episodes)


def steps(dataset: Path, **more: Any) -> tuple[list[int], dict[str, int], list[str]]:
    demonstrations = open_demonstrations(section(dataset, **more))
    return [episode.steps for episode in demonstrations], demonstrations.counts, demonstrations.notes


def test_all_is_refused_unless_the_recipe_says_otherwise(spoiled: Path) -> None:
    for treatment in ({}, {"bad_episodes": "refuse", "out_of_bounds": "clip"}):
        with pytest.raises(DatasetError, match="episode 2: 1 of 14 observations hold NaN") as refusal:
            steps(spoiled, **treatment)
        assert "extract.bad_episodes=skip" in refusal.value.hint
    with pytest.raises(DatasetError, match=r"episode 4: action 1.37 at step 5, dimension 1") as refusal:
        steps(spoiled, bad_episodes="trim")
    assert "extract.out_of_bounds=clip" in refusal.value.hint


def test_bad_episodes_are_skipped_or_trimmed_and_actions_clipped(spoiled: Path) -> None:
    lengths, counts, notes = steps(spoiled, bad_episodes="skip", out_of_bounds="clip")
    assert lengths == [11, 12, 14, 15, 16]
    assert counts == {"bad_episodes_skipped": 1, "steps_clipped": 1}
    assert "left out 1 of 6 episodes" in notes[0] and "clipped the actions of 1 steps" in notes[1]
    lengths, counts, _ = steps(spoiled, bad_episodes="trim", out_of_bounds="clip")
    assert lengths == [11, 12, 12, 14, 15, 16]
    assert counts == {"bad_episodes_trimmed": 1, "bad_steps_trimmed": 1, "steps_clipped": 1}


def test_counts_are_those_of_one_pass(spoiled: Path) -> None:
    demonstrations = open_demonstrations(section(spoiled, bad_episodes="skip", out_of_bounds="clip"))
    for _ in range(2):
        assert len(list(demonstrations)) == 5
        assert demonstrations.counts == {"bad_episodes_skipped": 1, "steps_clipped": 1}


def test_bounds_per_dimension(spoiled: Path) -> None:
    demonstrations = open_demonstrations(section(spoiled, action_bounds=([-1, -2], [1, 1.5])))
    np.testing.assert_array_equal(demonstrations.bounds.high, np.float32([1, 1.5]))
    with pytest.raises(DatasetError, match="folder: there are bounds for 3 dimensions of an action"):
        open_demonstrations(section(spoiled, action_bounds=(-1, [1, 1, 1])))


def test_a_mask_of_a_robomimic_file(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "low_dim.hdf5", make_episodes(4))
    with h5py.File(path, "a") as file:
        file["mask/train"] = np.array([b"demo_3", b"demo_1"])
    whole = identify(section(path, observation=STATE))
    masked = identify(section(path, observation=STATE, filter="train"))
    assert whole is not None and masked is not None
    assert (whole.episodes, masked.episodes) == (4, 2)
    lengths, _, notes = steps(path, observation=STATE, filter="train")
    assert lengths == [12, 14]
    assert not any("also has the masks" in note for note in notes)
    with pytest.raises(DatasetError, match="only robomimic files have masks"):
        steps(write_rollouts(tmp_path / "folder", make_episodes(2)), filter="train")


def test_new_keys_left_alone_change_no_fingerprint() -> None:
    old = ExtractSection(dataset="a-v0").model_dump(mode="json")
    written_out = ExtractSection(dataset="a-v0", bad_episodes="refuse", out_of_bounds="refuse").model_dump(mode="json")
    before = {key: old[key] for key in old if key not in ("filter", "bad_episodes", "out_of_bounds")}
    assert len({fingerprint("clips", 1, parameters, {}) for parameters in (before, old, written_out)}) == 1
    with pytest.raises(ValidationError):
        ExtractSection(dataset="a-v0", bad_episodes="drop")


RECIPE = """\
extends: gymnasium
env: {id: Pendulum-v1, episode_length: 200}
extract: {dataset: folder, action_bounds: [-1, 1], observation: [{}]}
train_skills: {horizon: 5, augmentation: {state_noise: []}}
"""


def test_what_was_mended_is_shown_and_recorded(spoiled: Path, run_cli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RECIPE)
    refused = run_cli("extract", "mine.yaml")
    assert refused.returncode == 3 and "extract.bad_episodes=skip" in refused.stderr
    options = ("--set", "extract.bad_episodes=trim", "--set", "extract.out_of_bounds=clip")
    done = run_cli("extract", "mine.yaml", *options)
    assert done.returncode == 0, done.stderr
    shown = f"hdf5:{tmp_path / 'folder'}"
    assert f"warning: {shown}: left out 1 steps of 1 of 6 episodes that are not right: episode 2:" in done.stderr
    assert f"warning: {shown}: clipped the actions of 1 steps in 1 of 6 episodes" in done.stderr
    metrics = json.loads((tmp_path / done.stdout.strip() / "manifest.json").read_text())["metrics"]
    assert (metrics["bad_steps_trimmed"], metrics["steps_clipped"]) == (1, 1)
