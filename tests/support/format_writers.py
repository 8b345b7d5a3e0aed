"""The same episodes in every format that is read.

An episode is a pair of states (N, D) and actions (N, A) with as many rows of one as of the other, as
formats without a final observation have them. Those with one get the last state without its action.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import numpy as np

Episodes = Sequence[tuple[np.ndarray, np.ndarray]]

STATE = "observation.state"  # LeRobot's name of the states


def make_episodes(count: int = 20, states: int = 5, actions: int = 2, shortest: int = 12) -> Episodes:
    """Make episodes of different lengths, float32."""
    generator = np.random.default_rng(7)
    lengths = range(shortest, shortest + count)
    return [
        (
            generator.normal(size=(rows, states)).astype(np.float32),
            generator.uniform(-1, 1, (rows, actions)).astype(np.float32),
        )
        for rows in lengths
    ]


def joined(episodes: Episodes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return states and actions one after the other, and the row after every episode's last."""
    ends = np.cumsum([len(actions) for _, actions in episodes])
    return np.concatenate([states for states, _ in episodes]), np.concatenate([a for _, a in episodes]), ends


def write_flat(path: Path, episodes: Episodes) -> Path:
    """Write a D4RL file without `next_observations`."""
    states, actions, ends = joined(episodes)
    with h5py.File(path, "w") as file:
        file["observations"], file["actions"] = states, actions
        file["terminals"] = np.zeros(len(actions), bool)
        file["timeouts"] = np.isin(np.arange(len(actions)) + 1, ends)
    return path


def write_flat_with_next(path: Path, episodes: Episodes) -> Path:
    """Write a D4RL file with `next_observations`."""
    shorter = [(states[:-1], actions[:-1]) for states, actions in episodes]
    write_flat(path, shorter)
    with h5py.File(path, "a") as file:
        file["next_observations"] = np.concatenate([states[1:] for states, _ in episodes])
    return path


def write_rollouts(path: Path, episodes: Episodes) -> Path:
    """Write a folder of rollouts."""
    path.mkdir()
    for number, (states, actions) in enumerate(episodes):
        with h5py.File(path / f"rollout-{number:03}.h5", "w") as file:
            file["observations"], file["actions"] = states, actions[:-1]
    return path


def write_robomimic(path: Path, episodes: Episodes, following: bool = False) -> Path:
    """Write a robomimic file, with `next_obs` or without."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["total"] = sum(len(actions) for _, actions in episodes)
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "type": 1, "env_kwargs": {}})
        for number, (states, actions) in enumerate(episodes):
            demo = data.create_group(f"demo_{number}")
            rows = len(actions) - following
            demo.attrs["num_samples"] = rows
            demo["actions"], demo["obs/state"] = actions[:rows], states[:rows]
            demo["rewards"], demo["dones"] = np.zeros(rows), np.arange(rows) == rows - 1
            demo["states"] = np.zeros((rows, 9))
            if following:
                demo["next_obs/state"] = states[1:]
    return path


def write_robomimic_with_next(path: Path, episodes: Episodes) -> Path:
    """Write a robomimic file with `next_obs`."""
    return write_robomimic(path, episodes, following=True)


def write_ogbench(path: Path, episodes: Episodes) -> Path:
    """Write an npz file as OGBench's generators do."""
    states, actions, ends = joined(episodes)
    terminals = np.isin(np.arange(len(actions)) + 1, ends).astype(np.float32)
    np.savez_compressed(path, observations=states, actions=actions, terminals=terminals)
    return path


def write_zarr(path: Path, episodes: Episodes, zarr_format: int = 2) -> Path:
    """Write a zarr folder as diffusion policy's replay buffer does."""
    import zarr

    states, actions, ends = joined(episodes)
    root = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
    for name, array in (("data/state", states), ("data/action", actions), ("meta/episode_ends", ends.astype(np.int64))):
        root.create_array(name, shape=array.shape, dtype=array.dtype, chunks=(min(16, len(array)), *array.shape[1:]))
        root[name][:] = array
    return path


def write_zarr_archive(path: Path, episodes: Episodes) -> Path:
    """Write a zipped zarr folder."""
    folder = write_zarr(path.with_suffix(".folder"), episodes)
    return Path(shutil.make_archive(str(path.with_suffix("")), "zip", folder))


def write_minari(path: Path, episodes: Episodes, data_format: str = "hdf5") -> Path:
    """Write a Minari dataset through Minari's own interface; `path` becomes its folder."""
    import minari
    from gymnasium.spaces import Box
    from minari.data_collector import EpisodeBuffer

    buffers = [
        EpisodeBuffer(number, None, None, states, actions[:-1], *[[0.0] * (len(actions) - 1)] * 3)
        for number, (states, actions) in enumerate(episodes)
    ]
    root = path.parent / "root"
    with mock.patch.dict(os.environ, MINARI_DATASETS_PATH=str(root)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an env_spec, an author and so on are missing
        minari.create_dataset_from_buffers(
            "any-v0",
            buffers,
            observation_space=Box(-np.inf, np.inf, episodes[0][0].shape[1:]),
            action_space=Box(-1, 1, episodes[0][1].shape[1:]),
            data_format=data_format,
        )
    return (root / "any-v0").rename(path)


def write_minari_arrow(path: Path, episodes: Episodes) -> Path:
    """Write a Minari dataset in its Arrow layout."""
    return write_minari(path, episodes, "arrow")


def write_minari_parquet(path: Path, episodes: Episodes) -> Path:
    """Write a Minari dataset in its Parquet layout."""
    return write_minari(path, episodes, "parquet")


def write_lerobot_v3(path: Path, episodes: Episodes, per_file: int = 7, shards: int = 2) -> Path:
    """Write a LeRobotDataset of version 3.0 with the layout and types of lerobot 0.4.

    Args:
        path: the folder.
        episodes: the episodes.
        per_file: episodes in a data file, each a row group of its own as lerobot writes them.
        shards: number of files of meta/episodes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _write_info(path, episodes, "v3.0")
    rows: list[dict[str, Any]] = []
    for file, first in enumerate(range(0, len(episodes), per_file)):
        target = path / "data" / "chunk-000" / f"file-{file:03}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        tables = [_frames(episodes, number) for number in range(first, min(first + per_file, len(episodes)))]
        with pq.ParquetWriter(target, tables[0].schema) as writer:
            for table in tables:
                writer.write_table(table)
    starts = np.cumsum([0, *(len(actions) for _, actions in episodes)]).tolist()
    for number, (_, actions) in enumerate(episodes):
        boundary = {"dataset_from_index": starts[number], "dataset_to_index": starts[number + 1]}
        places = {"data/chunk_index": 0, "data/file_index": number // per_file}
        rows.append({"episode_index": number, "tasks": ["do it"], "length": len(actions), **places, **boundary})
    size = -(-len(rows) // shards)
    for shard in range(shards):
        target = path / "meta" / "episodes" / "chunk-000" / f"file-{shard:03}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows[shard * size : (shard + 1) * size]), target)
    return path


def write_lerobot_v21(path: Path, episodes: Episodes) -> Path:
    """Write a LeRobotDataset of version 2.1: a parquet file per episode, lists of JSON lines."""
    import pyarrow.parquet as pq

    _write_info(path, episodes, "v2.1")
    lines, folder = [], path / "data" / "chunk-000"
    folder.mkdir(parents=True)
    for number, (_, actions) in enumerate(episodes):
        pq.write_table(_frames(episodes, number), folder / f"episode_{number:06}.parquet")
        lines.append({"episode_index": number, "tasks": ["do it"], "length": len(actions)})
    (path / "meta" / "episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (path / "meta" / "tasks.jsonl").write_text(json.dumps({"task_index": 0, "task": "do it"}) + "\n")
    return path


def _write_info(path: Path, episodes: Episodes, version: str) -> None:
    def feature(dtype: str, *shape: int) -> dict[str, Any]:
        return {"dtype": dtype, "shape": list(shape), "names": None}

    legacy = version == "v2.1"
    info = {
        "codebase_version": version,
        "robot_type": None,
        "total_episodes": len(episodes),
        "total_frames": sum(len(actions) for _, actions in episodes),
        "total_tasks": 1,
        "chunks_size": 1000,
        **({"total_chunks": 1, "total_videos": 0} if legacy else {}),
        "fps": 20,
        "splits": {"train": f"0:{len(episodes)}"},
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
        if legacy
        else "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": None,
        "features": {
            STATE: feature("float32", *episodes[0][0].shape[1:]),
            "observation.gripper": feature("float32", 1),
            "action": feature("float32", *episodes[0][1].shape[1:]),
            "timestamp": feature("float32", 1),
            **{name: feature("int64", 1) for name in ("frame_index", "episode_index", "index", "task_index")},
        },
    }
    (path / "meta").mkdir(parents=True)
    (path / "meta" / "info.json").write_text(json.dumps(info))


def _frames(episodes: Episodes, number: int) -> Any:
    """Return the rows of an episode as a table; a feature of shape (1,) is a column of scalars."""
    import pyarrow as pa

    states, actions = episodes[number]
    frames, before = np.arange(len(actions)), sum(len(actions) for _, actions in episodes[:number])
    return pa.table(
        {
            STATE: _lists(states),
            "observation.gripper": pa.array(states[:, 0]),
            "action": _lists(actions),
            "timestamp": pa.array((frames / 20).astype(np.float32)),
            "frame_index": pa.array(frames),
            "episode_index": pa.array(np.full(len(frames), number)),
            "index": pa.array(frames + before),
            "task_index": pa.array(np.zeros(len(frames), np.int64)),
        }
    )


def _lists(values: np.ndarray) -> Any:
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(values.reshape(-1), values.shape[1])
