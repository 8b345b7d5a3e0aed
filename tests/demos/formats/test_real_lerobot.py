"""Datasets that the lerobot package itself wrote.

It needs older libraries than spirl, so it lives in an environment of its own: the variable `LEROBOT_PYTHON` names
the Python of that environment. Without it these tests are skipped.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from spirl_cli.demos.formats.detect import open_dataset
from tests.support.format_writers import STATE, make_episodes

pytest.importorskip("pyarrow")
PYTHON = os.environ.get("LEROBOT_PYTHON")
pytestmark = pytest.mark.skipif(not PYTHON, reason="LEROBOT_PYTHON does not name a Python with lerobot")

EPISODES = make_episodes(5)
RECORD = """
import sys
import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

content = np.load(sys.argv[1])
def feature(*shape, dtype="float32"):
    return {"dtype": dtype, "shape": shape, "names": ["height", "width", "channels"] if len(shape) == 3 else None}
features = {"observation.state": feature(5), "observation.gripper": feature(1), "action": feature(2),
            "observation.images.top": feature(32, 32, 3, dtype="image")}
dataset = LeRobotDataset.create(repo_id="some/one", fps=20, root=sys.argv[2], features=features, use_videos=False)
for number in range(5):
    states, actions = content[f"states{number}"], content[f"actions{number}"]
    for state, action in zip(states, actions):
        frame = {"observation.state": state, "observation.gripper": state[:1], "action": action, "task": "do it",
                 "observation.images.top": np.full((32, 32, 3), number, np.uint8)}
        dataset.add_frame(frame)
    dataset.save_episode()
dataset.finalize()
"""


def test_what_lerobot_records_is_read(tmp_path: Path) -> None:
    content = {f"states{number}": states for number, (states, _) in enumerate(EPISODES)}
    content |= {f"actions{number}": actions for number, (_, actions) in enumerate(EPISODES)}
    np.savez(tmp_path / "content.npz", **content)
    arguments = [str(tmp_path / "content.npz"), str(tmp_path / "dataset")]
    environment = {"HF_HUB_OFFLINE": "1", "HOME": str(tmp_path), "PYTHONPATH": os.environ.get("LEROBOT_PYTHONPATH", "")}
    subprocess.run([str(PYTHON), "-c", RECORD, *arguments], check=True, env={**os.environ, **environment})
    source = open_dataset(str(tmp_path / "dataset"))
    for (states, actions), episode in zip(EPISODES, source.episodes(), strict=True):
        np.testing.assert_array_equal(episode.observations[STATE], states)
        np.testing.assert_array_equal(episode.observations["observation.gripper"], states[:, :1])
        np.testing.assert_array_equal(episode.actions, actions[:-1])
    assert [note.partition(": ")[2] for note in source.notes] == [
        "1 image features are not selected: observation.images.top (mark those to be seen with `image` in "
        "extract.observation)"
    ]
