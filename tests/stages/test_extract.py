"""The stage that makes clips, on whole datasets."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spirl_cli.clips.reader import Clips
from spirl_cli.domains.kitchen.section import KITCHEN_POSITIONS, KitchenSection
from spirl_cli.errors import DatasetError, Interrupted
from spirl_cli.monitor.reporter import SilentReporter
from spirl_cli.payload import CLIPS_FILE
from spirl_cli.recipe.schema import Recipe
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.settings import WHOLE_OBSERVATION
from spirl_cli.stages.context import StageContext, StageResult, StageSpec
from spirl_cli.stages.extract import execute
from tests.support.datasets import SyntheticMinari
from tests.support.demos_data import identify
from tests.support.reporters import Recorder

SPEC = StageSpec("clips", "extract", "extract", 1, (), lambda recipe: {}, "spirl_cli.stages.extract")


def extract(
    folder: Path, dataset: str | Path, horizon: int = 10, reporter: SilentReporter | None = None, **more: Any
) -> StageResult:
    section = ExtractSection(dataset=str(dataset), **{"observation": WHOLE_OBSERVATION, "seed": 0, **more})
    recipe = Recipe(id="test", env=KitchenSection(), extract=section, train_skills=TrainSkillsSection(horizon=horizon))
    folder.mkdir(exist_ok=True)
    return execute(StageContext(recipe, SPEC, {}, {}, folder, reporter or SilentReporter()))


def rollouts(folder: Path, lengths: tuple[int, ...]) -> Path:
    """Write rollouts whose states are (episode, step)."""
    folder.mkdir()
    for number, steps in enumerate(lengths):
        time = np.arange(steps + 1.0)
        with h5py.File(folder / f"{number:03}.hdf5", "w") as file:
            file["observations"] = np.stack([np.full_like(time, number), time], axis=1)
            file["actions"] = np.full((steps, 1), 0.5)
            file.attrs.update(action_low=-1, action_high=1)
    return folder


def test_kitchen_demonstrations_become_clips(synthetic_minari: SyntheticMinari, tmp_path: Path) -> None:
    result = extract(tmp_path / "run", synthetic_minari.kitchen, observation=KITCHEN_POSITIONS)
    clips = Clips.open(tmp_path / "run" / CLIPS_FILE)
    assert result.keep == (CLIPS_FILE,) and [path.name for path in (tmp_path / "run").iterdir()] == [CLIPS_FILE]
    assert (clips.observation_dim, clips.action_dim, clips.horizon, clips.episodes) == (30, 9, 10, 12)
    assert result.metrics == {
        "episodes": 12,
        "steps": 595,
        "skipped": 0,
        "windows_train": len(clips.starts("train")),
        "windows_validation": len(clips.starts("validation")),
    }
    assert result.metrics["windows_train"] + result.metrics["windows_validation"] == 595 - 12 * 9


def test_the_dataset_is_recorded_as_input(synthetic_minari: SyntheticMinari, tmp_path: Path) -> None:
    record = extract(tmp_path / "run", synthetic_minari.pendulum).inputs["dataset"]
    identity = identify(ExtractSection(dataset=synthetic_minari.pendulum))
    assert (
        identity is not None
        and identity.sha256 == record.sha256 == Clips.open(tmp_path / "run" / CLIPS_FILE).identity["sha256"]
    )
    assert (record.reference, record.fingerprint) == ("minari:test/pendulum-v0", record.sha256[:12])


def test_extraction_is_deterministic_and_follows_the_seed(synthetic_minari: SyntheticMinari, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        extract(tmp_path / name, synthetic_minari.pendulum, seed=seed)
    first, again, other = ((tmp_path / name / CLIPS_FILE).read_bytes() for name in "abc")
    assert first == again != other


def test_short_episodes_are_skipped_counted_and_said(tmp_path: Path) -> None:
    recorder = Recorder()
    result = extract(tmp_path / "run", rollouts(tmp_path / "data", (12, 4, 10, 9, 11)), reporter=recorder)
    clips = Clips.open(tmp_path / "run" / CLIPS_FILE)
    assert (result.metrics["episodes"], result.metrics["steps"], result.metrics["skipped"]) == (3, 33, 2)
    assert clips.episode_numbers.tolist() == [0, 2, 4]
    assert recorder.warnings == ["skipped 2 of 5 episodes: fewer than 10 steps, the length of a window"]


def test_nothing_long_enough_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="2 of 3 episodes have fewer than 10 steps") as refused:
        extract(tmp_path / "run", rollouts(tmp_path / "data", (12, 4, 9)))
    assert "train_skills.horizon" in refused.value.hint
    assert not list((tmp_path / "run").iterdir())


def test_short_episodes_are_joined_for_parity(tmp_path: Path) -> None:
    data = rollouts(tmp_path / "data", (12, 4, 10, 9))
    result = extract(tmp_path / "run", data, short_episodes="join", unused_final_starts=0)
    clips = Clips.open(tmp_path / "run" / CLIPS_FILE)
    assert (result.metrics["episodes"], result.metrics["steps"], result.metrics["skipped"]) == (2, 26, 1)
    observations, actions = clips.windows(clips.episode_offsets[1:2])
    np.testing.assert_array_equal(observations[0, :, 0], [1] * 4 + [2] * 7)
    assert (actions == 0.5).all(), "a window holds the padding row"


def test_unused_final_starts_count_as_length(tmp_path: Path) -> None:
    result = extract(tmp_path / "run", rollouts(tmp_path / "data", (11, 12, 13)), unused_final_starts=2)
    assert result.metrics["skipped"] == 1
    assert result.metrics["windows_train"] + result.metrics["windows_validation"] == 1 + 2


def test_a_limit_on_episodes_takes_the_first(tmp_path: Path) -> None:
    extract(tmp_path / "run", rollouts(tmp_path / "data", (12,) * 5), episodes=3)
    assert Clips.open(tmp_path / "run" / CLIPS_FILE).episode_numbers.tolist() == [0, 1, 2]


def test_an_earlier_attempt_leaves_no_trace(tmp_path: Path) -> None:
    data = rollouts(tmp_path / "data", (12, 13))
    extract(tmp_path / "clean", data)
    (tmp_path / "run").mkdir()
    for leftover in (CLIPS_FILE, f"{CLIPS_FILE}.observations.raw", f"{CLIPS_FILE}.actions.raw"):
        (tmp_path / "run" / leftover).write_bytes(b"torn" * 1000)
    extract(tmp_path / "run", data)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [CLIPS_FILE]
    assert (tmp_path / "run" / CLIPS_FILE).read_bytes() == (tmp_path / "clean" / CLIPS_FILE).read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_between_episodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    from spirl_cli.demos.demonstrations import Demonstrations

    original = Demonstrations.__iter__

    def interrupted(self: Demonstrations) -> Iterator[Any]:
        for episode in original(self):
            os.kill(os.getpid(), number)
            yield episode

    monkeypatch.setattr(Demonstrations, "__iter__", interrupted)
    with pytest.raises(Interrupted, match="interrupted"):
        extract(tmp_path / "run", rollouts(tmp_path / "data", (12, 13, 14)))
    assert not list((tmp_path / "run").iterdir())
