"""The same episodes in every format give the same windows, bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spirl_cli.clips.reader import Clips, ClipWriter
from spirl_cli.demos.dataset import Contents
from spirl_cli.demos.formats.detect import open_dataset
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.settings import WHOLE_OBSERVATION, ObservationPart
from tests.support.demos_data import open_demonstrations
from tests.support.format_writers import (
    STATE,
    make_episodes,
    write_flat,
    write_flat_with_next,
    write_lerobot_v3,
    write_lerobot_v21,
    write_minari,
    write_minari_arrow,
    write_minari_parquet,
    write_ogbench,
    write_robomimic,
    write_robomimic_with_next,
    write_rollouts,
    write_zarr,
    write_zarr_archive,
)

FORMATS: dict[str, tuple[Callable[..., Path], str, str | None, str | None]] = {
    # name: writer, file or folder, key of the states, library
    "d4rl": (write_flat, "a.hdf5", None, None),
    "d4rl-next": (write_flat_with_next, "a.hdf5", None, None),
    "rollouts": (write_rollouts, "folder", None, None),
    "robomimic": (write_robomimic, "low_dim.hdf5", "state", None),
    "robomimic-next": (write_robomimic_with_next, "low_dim.hdf5", "state", None),
    "ogbench": (write_ogbench, "play.npz", None, None),
    "minari": (write_minari, "own-v0", None, None),
    "minari-arrow": (write_minari_arrow, "own-v0", None, "pyarrow"),
    "minari-parquet": (write_minari_parquet, "own-v0", None, "pyarrow"),
    "lerobot-v3.0": (write_lerobot_v3, "folder", STATE, "pyarrow"),
    "lerobot-v2.1": (write_lerobot_v21, "folder", STATE, "pyarrow"),
    "zarr": (write_zarr, "a.zarr", "state", "zarr"),
    "zarr-zip": (write_zarr_archive, "a.zarr.zip", "state", "zarr"),
}


def extract(dataset: Path, key: str | None, clips: Path) -> Clips:
    """Write the clips of a dataset and open them."""
    observation = WHOLE_OBSERVATION if key is None else (ObservationPart(key=key),)
    section = ExtractSection(dataset=str(dataset), observation=observation, action_bounds=(-1, 1), seed=0)
    demonstrations = open_demonstrations(section)
    with ClipWriter(clips, 5, demonstrations.bounds) as writer:
        for episode in demonstrations:
            writer.append(episode)
        writer.finish(0.2, 0, {})
    assert writer.episodes == demonstrations.identity.episodes
    assert writer.steps == demonstrations.identity.steps
    return Clips.open(clips)


@pytest.mark.parametrize("name", FORMATS)
def test_windows_are_those_of_the_episodes(name: str, tmp_path: Path) -> None:
    write, place, key, library = FORMATS[name]
    if library is not None:
        pytest.importorskip(library)
    episodes = make_episodes()
    clips = extract(write(tmp_path / place, episodes), key, tmp_path / "clips.hdf5")
    assert clips.episodes == 20 and len(clips.starts("validation")) > 0
    for number, (states, actions) in enumerate(episodes):
        first, stop = clips.episode_offsets[number : number + 2]
        np.testing.assert_array_equal(clips.states(np.arange(first, stop)), states)
        starts = np.arange(first, stop - 5)
        observed, taken = clips.windows(starts)
        np.testing.assert_array_equal(taken, [actions[start : start + 5] for start in starts - first])
        np.testing.assert_array_equal(observed, [states[start : start + 6] for start in starts - first])


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_recognised_under_any_name(name: str, tmp_path: Path) -> None:
    write, place, key, library = FORMATS[name]
    if library is not None:
        pytest.importorskip(library)
    written = write(tmp_path / place, make_episodes(3))
    renamed = written.rename(tmp_path / "renamed.dat")
    assert extract(renamed, key, tmp_path / "clips.hdf5").episodes == 3


@pytest.mark.parametrize("name", ["d4rl", "robomimic", "ogbench", "lerobot-v3.0", "lerobot-v2.1", "zarr"])
def test_episodes_of_one_row_have_no_steps(name: str, tmp_path: Path) -> None:
    write, place, _, library = FORMATS[name]
    if library is not None:
        pytest.importorskip(library)
    episodes = make_episodes(4, shortest=1)
    source = open_dataset(str(write(tmp_path / place, episodes)))
    assert [len(episode.actions) for episode in source.episodes()] == [0, 1, 2, 3]
    assert source.contents() == Contents(4, 6)


def test_zarr_format_3_is_read(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    episodes = make_episodes(3)
    clips = extract(write_zarr(tmp_path / "a.zarr", episodes, 3), "state", tmp_path / "clips.hdf5")
    np.testing.assert_array_equal(clips.states(np.arange(12)), episodes[0][0])
