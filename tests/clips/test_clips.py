"""Clips: every window is valid, none crosses episodes, first and last starts are reachable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spirl_cli.clips.reader import Clips, ClipWriter
from spirl_cli.clips.writer import split_episodes
from spirl_cli.demos.episode import ActionBounds, Episode
from spirl_cli.errors import ArtifactError, DatasetError

HORIZON = 5
LENGTHS = (5, 9, 30, 6, 17, 5)  # T; 5 is the shortest that holds a window
BOUNDS = ActionBounds(np.full(2, -1, np.float32), np.full(2, 1, np.float32))


def traceable_episode(number: int, steps: int) -> Episode:
    """Numbers that tell where they come from: state (episode, t, 1), action (episode, t) / 1000."""
    time = np.arange(steps + 1, dtype=np.float32)
    states = np.stack([np.full_like(time, number), time, np.ones_like(time)], axis=1)
    return Episode(number, states, states[:-1, :2] / 1000)


def write(path: Path, lengths: tuple[int, ...] = LENGTHS, unused: int = 0, seed: int = 0) -> Path:
    with ClipWriter(path, HORIZON, BOUNDS, unused) as writer:
        for number, steps in enumerate(lengths):
            writer.append(traceable_episode(number, steps))
        writer.finish(0.3, seed, {"name": "made up"})
    return path


@pytest.fixture(params=[True, False], ids=["loaded", "mapped"])
def clips(request: pytest.FixtureRequest, tmp_path: Path) -> Clips:
    return Clips.open(write(tmp_path / "clips.hdf5"), load=request.param)


def all_starts(clips: Clips) -> np.ndarray:
    return np.concatenate([clips.starts("train"), clips.starts("validation")])


def test_every_window_is_one_piece_of_one_episode(clips: Clips) -> None:
    observations, actions = clips.windows(all_starts(clips))
    assert observations.shape[1:] == (HORIZON + 1, 3) and actions.shape[1:] == (HORIZON, 2)
    assert observations.dtype == actions.dtype == np.float32
    assert (observations[:, :, 0] == observations[:, :1, 0]).all(), "a window crosses episodes"
    assert (np.diff(observations[:, :, 1], axis=1) == 1).all(), "a window is not contiguous"
    assert (observations[:, :, 2] == 1).all(), "a window reads rows that are no states"
    np.testing.assert_array_equal(actions, observations[:, :-1, :2] / np.float32(1000))


def test_all_windows_are_reachable_once(clips: Clips) -> None:
    observations, _ = clips.windows(all_starts(clips))
    found = sorted((int(e), int(t)) for e, t in observations[:, 0, :2])
    assert found == [(e, t) for e, steps in enumerate(LENGTHS) for t in range(steps - HORIZON + 1)]
    for episode, steps in enumerate(LENGTHS):
        ends = observations[observations[:, 0, 0] == episode][:, -1, 1]
        assert ends.max() == steps, "the last state of an episode is in no window"


def test_splits_share_no_episode(clips: Clips) -> None:
    train, validation = (set(clips.episode_of(clips.starts(split))) for split in ("train", "validation"))
    assert not train & validation
    assert train | validation == set(range(len(LENGTHS)))
    assert len(validation) == 2


def test_episode_of_matches_the_rows(clips: Clips) -> None:
    starts = all_starts(clips)
    np.testing.assert_array_equal(clips.episode_of(starts), clips.states(starts)[:, 0])
    np.testing.assert_array_equal(clips.episode_numbers, np.arange(len(LENGTHS)))


def test_facts_about_the_file(clips: Clips) -> None:
    assert (clips.observation_dim, clips.action_dim, clips.horizon) == (3, 2, HORIZON)
    assert (clips.episodes, clips.steps) == (len(LENGTHS), sum(LENGTHS))
    np.testing.assert_array_equal(clips.action_low, BOUNDS.low)
    np.testing.assert_array_equal(clips.action_high, BOUNDS.high)
    assert clips.identity == {"name": "made up"}


def test_statistics_are_those_of_training_states(clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spirl_cli.clips.reader.COPY_ROWS", 7)  # smaller than an episode
    rows = np.arange(sum(LENGTHS) + len(LENGTHS))
    states = clips.states(rows[np.isin(clips.episode_of(rows), clips.episode_of(clips.starts("train")))])
    mean, std = clips.statistics()
    np.testing.assert_allclose(mean, states.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(std, states.std(axis=0), rtol=1e-6)
    assert std[2] == 0 and mean.dtype == std.dtype == np.float32


def test_mapped_clips_equal_loaded_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "clips.hdf5")
    loaded, mapped = Clips.open(path, load=True), Clips.open(path, load=False)
    starts = all_starts(loaded)
    for left, right in zip(loaded.windows(starts), mapped.windows(starts), strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(loaded.statistics(), mapped.statistics())


def test_unused_final_starts(tmp_path: Path) -> None:
    lengths = tuple(steps + 2 for steps in LENGTHS)
    clips = Clips.open(write(tmp_path / "clips.hdf5", lengths, unused=2))
    first_states = clips.states(all_starts(clips))
    for episode, steps in enumerate(lengths):
        assert first_states[first_states[:, 0] == episode][:, 1].max() == steps - HORIZON - 2


def test_same_input_writes_the_same_bytes(tmp_path: Path) -> None:
    first, second, other = (tmp_path / name for name in ("a.hdf5", "b.hdf5", "c.hdf5"))
    assert write(first).read_bytes() == write(second).read_bytes()
    assert write(other, seed=1).read_bytes() != first.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.hdf5", "b.hdf5", "c.hdf5"]


def test_too_short_or_misshapen_episodes_are_not_appended(tmp_path: Path) -> None:
    with ClipWriter(tmp_path / "clips.hdf5", HORIZON, BOUNDS) as writer:
        with pytest.raises(ValueError, match=r"episode 3 .* shorter"):
            writer.append(traceable_episode(3, HORIZON - 1))
        writer.append(traceable_episode(4, HORIZON))
        wide = Episode(5, np.zeros((7, 4), np.float32), np.zeros((6, 2), np.float32))
        with pytest.raises(DatasetError, match="episode 5 has observations of 4 numbers"):
            writer.append(wide)
        assert (writer.episodes, writer.steps) == (1, HORIZON)


@pytest.mark.parametrize(("count", "fraction", "held_out"), [(2, 0.01, 1), (2, 0.99, 1), (10, 0.1, 1), (143, 0.1, 14)])
def test_split_has_both_kinds_and_follows_its_seed(count: int, fraction: float, held_out: int) -> None:
    mask = split_episodes(count, fraction, seed=3)
    assert mask.sum() == held_out and len(mask) == count
    np.testing.assert_array_equal(mask, split_episodes(count, fraction, seed=3))


def test_one_episode_cannot_be_split() -> None:
    with pytest.raises(DatasetError, match="only 1 usable episode"):
        split_episodes(1, 0.5, 0)


def test_files_that_are_no_clips_are_refused(tmp_path: Path) -> None:
    import h5py

    with pytest.raises(ArtifactError, match="cannot be read"):
        Clips.open(tmp_path / "missing.hdf5")
    (tmp_path / "text.hdf5").write_text("not HDF5")
    with pytest.raises(ArtifactError, match="cannot be read"):
        Clips.open(tmp_path / "text.hdf5")
    h5py.File(tmp_path / "other.hdf5", "w").close()
    with pytest.raises(ArtifactError, match="not a clips file"):
        Clips.open(tmp_path / "other.hdf5")
