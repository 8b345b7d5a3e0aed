"""Episodes of more than 100 MB are read in blocks: memory is bounded, whatever the format."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import run_python

FORMATS = {  # name: library; Parquet is left out, since Minari takes minutes to write it
    "flat": None,
    "npz": None,
    "rollouts": None,
    "robomimic": None,
    "minari": None,
    "arrow": "pyarrow",
    "zarr": "zarr",
}

# The writers hold the whole episode, so they run in a process of their own.
WRITE = """
import json, sys
from pathlib import Path
import h5py, numpy as np

kind, folder, rows = sys.argv[1], Path(sys.argv[2]), 4000
states, actions = np.zeros((rows, 2), np.float32), np.zeros((rows, 1), np.float32)
camera = np.broadcast_to(np.arange(rows).astype(np.uint8)[:, None, None, None], (rows, 128, 128, 3))
flags = np.arange(rows) == rows - 1
if kind == "flat":
    with h5py.File(folder / "data", "w") as file:
        file["observations"], file["actions"], file["camera"], file["timeouts"] = states, actions, camera, flags
elif kind == "npz":
    np.savez(folder / "data.npz", observations=states, actions=actions, camera=camera, terminals=flags)
    (folder / "data.npz").rename(folder / "data")
elif kind == "rollouts":
    (folder / "data").mkdir()
    with h5py.File(folder / "data" / "0.h5", "w") as file:
        file["observations/observations"], file["observations/camera"] = states, camera
        file["actions"] = actions[:-1]
elif kind == "robomimic":
    with h5py.File(folder / "data", "w") as file:
        demo = file.create_group("data/demo_0")
        demo["actions"], demo["obs/observations"], demo["obs/camera"] = actions, states, camera
elif kind == "zarr":
    import zarr
    root = zarr.open_group(str(folder / "data"), mode="w", zarr_format=2)
    arrays = {"data/observations": states, "data/camera": camera, "data/action": actions,
              "meta/episode_ends": np.array([rows])}
    for name, array in arrays.items():
        root.create_array(name, shape=array.shape, dtype=array.dtype, chunks=(min(50, len(array)), *array.shape[1:]))
        root[name][:] = array
else:
    import os
    os.environ["MINARI_DATASETS_PATH"] = str(folder / "root")
    import minari
    from gymnasium.spaces import Box, Dict
    from minari.data_collector import EpisodeBuffer
    none = np.zeros(rows - 1)
    shown = {"observations": states, "camera": np.ascontiguousarray(camera)}
    minari.create_dataset_from_buffers(
        "any-v0", [EpisodeBuffer(0, None, None, shown, actions[:-1], none, none > 0, none > 0)],
        observation_space=Dict({"observations": Box(-1, 1, (2,)), "camera": Box(0, 255, (128, 128, 3), np.uint8)}),
        action_space=Box(-1, 1, (1,)), data_format="hdf5" if kind == "minari" else kind, jpeg_encoding=False)
    (folder / "root" / "any-v0").rename(folder / "data")
"""
READ = """
import resource, sys
from pathlib import Path
import numpy as np
from spirl_cli.clips.reader import ClipWriter
from spirl_cli.demos.demonstrations import Demonstrations
from spirl_cli.demos.formats.detect import open_dataset
from spirl_cli.demos.identity import identity_of
from spirl_cli.recipe.sections.extract import ExtractSection

folder, library = Path(sys.argv[1]), sys.argv[2]
def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
import PIL.Image, gymnasium, minari
if library == "pyarrow":
    import pyarrow.dataset, pyarrow.parquet
if library == "zarr":
    import zarr
parts = [{"key": "observations"}, {"key": "camera", "image": {"size": [128, 128]}}]
section = ExtractSection.model_validate(
    {"dataset": str(folder / "data"), "observation": parts, "action_bounds": (-1, 1)})
before = megabytes()
source = open_dataset(str(folder / "data"))
demonstrations = Demonstrations(section, source, identity_of(source))
with ClipWriter(folder / "clips.hdf5", 10, demonstrations.bounds) as writer:
    for episode in demonstrations:
        writer.append(episode)
        for first in (0, 700, 2400):
            shown = np.asarray(episode.images[first : first + 90])
            assert (shown[:, 5, 5, 0] == np.arange(first, first + 90).astype(np.uint8)).all()
    assert writer.steps == 3999 and (folder / "clips.hdf5.images.raw").stat().st_size > 180e6
print(megabytes() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_a_large_episode_needs_little_memory(kind: str, tmp_path: Path) -> None:
    """An episode with 197 MB of images is extracted within 130 MB beyond the start."""
    library = FORMATS[kind]
    if library is not None:
        pytest.importorskip(library)
    run_python(f"import sys; sys.argv = {['', kind, str(tmp_path)]!r}\n{WRITE}")
    done = run_python(f"import sys; sys.argv = {['', str(tmp_path), str(library)]!r}\n{READ}")
    assert float(done.stdout) < 130
