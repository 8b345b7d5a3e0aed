"""A recipe that learns from the images of a camera: all stages, the agent in Python, and going on after Ctrl-C."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest

from spirl_cli.clips.reader import Clips
from spirl_cli.domains.registry import read_section
from spirl_cli.envs.make import make_env
from spirl_cli.inference.agent import load_agent
from spirl_cli.payload import CLIPS_FILE
from spirl_cli.store.store import Store
from tests.support.commands import Workspace
from tests.support.environments import SliderEnv, slider_episodes
from tests.support.pipeline_data import artifacts
from tests.support.warm import WarmServer

RECIPE = """\
# A slider that is filmed: skills and prior look at the last two images.
env:
  kind: gymnasium
  id: Slider-v0
  module: tests.support.environments
  episode_length: 20
  observation: [{key: state}, {key: camera, image: {size: [8, 16]}}]
  frames: 2
extract: {dataset: sliders, action_bounds: [-1, 1]}
train_skills:
  {horizon: 5, latent_dim: 2, iterations: 40, validate_every: 20, batch_size: 16, best_of: 2, encoder_width: 8,
   decoder_width: 8, decoder_depth: 1, image: {channels: [4, 4], features: 4}, state_indices: [1]}
train_prior:
  {iterations: 40, validate_every: 20, batch_size: 16, width: 8, depth: 1, image: {channels: [4, 4], features: 4}}
train_rl:
  {steps: 800, warmup_steps: 100, environments: 2, batch_size: 16, critic_width: 8, policy_width: 8, log_every: 100}
evaluate: {episodes: 4, environments: 1, video_episodes: 1, bootstrap: 20}
"""


@pytest.fixture(scope="module")
def filmed(warm_server: WarmServer, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with the recipe and all its artifacts; only read it."""
    folder = tmp_path_factory.mktemp("filmed")
    (folder / "filmed.yaml").write_text(RECIPE)
    (folder / "sliders").mkdir()
    for number, (observations, actions) in enumerate(slider_episodes()):
        with h5py.File(folder / "sliders" / f"{number}.hdf5", "w") as file:
            file["actions"] = actions
            for key, values in observations.items():
                file[f"observations/{key}"] = values
    whole = Workspace(folder, warm_server, {"XDG_CACHE_HOME": folder / "cache"})
    whole.spirl("run", "filmed.yaml")
    return whole


def test_all_stages_run_and_are_up_to_date(filmed: Workspace) -> None:
    made = artifacts(filmed.folder, "filmed")
    clips = Clips.open(made["clips"].file(CLIPS_FILE))
    assert clips.image_shape == (8, 16, 6) and clips.observation_dim == 2
    assert made["clips"].manifest.parameters["env"] == {"frames": 2}
    (video,) = made["evaluation"].path.glob("videos/*.mp4")
    assert video.stat().st_size > 1000
    rows = json.loads((made["evaluation"].path / "results.json").read_text())["rows"]
    assert {row["metric"] for row in rows} == {"return"} and all(0 < row["mean"] < 20 for row in rows)
    assert "everything is up to date" in filmed.spirl("run", "filmed.yaml").stderr


def test_a_single_frame_written_out_is_the_default(filmed: Workspace) -> None:
    plain, written = (
        filmed.spirl("run", "filmed.yaml", "--dry-run", "--json", "--set", f"env.frames={value}").stdout
        for value in ("null", "1")
    )
    two = filmed.spirl("run", "filmed.yaml", "--dry-run", "--json").stdout
    assert plain == written != two


def test_the_agent_stacks_raw_images_by_itself(filmed: Workspace) -> None:
    store = Store(filmed.folder / "artifacts")
    agent, other = (load_agent("filmed/agent", store=store) for _ in range(2))
    manifest = artifacts(filmed.folder, "filmed")["agent"].manifest
    shown, raw = make_env(read_section(manifest.parameters["env"])), SliderEnv()
    for episode in range(2):
        agent.reset()
        other.reset()
        selected, seen = shown.reset(seed=episode)[0], raw.reset(seed=episode)[0]
        for _ in range(12):
            action = agent.act(seen)
            np.testing.assert_array_equal(action, other.act(selected))
            selected, seen = shown.step(action)[0], raw.step(action)[0]
    two = [SliderEnv(), SliderEnv()]
    seen = [one.reset(seed=number)[0] for number, one in enumerate(two)]
    agent.reset(batch=2)
    batch = agent.act({key: np.stack([one[key] for one in seen]) for key in seen[0]})
    agent.reset()
    np.testing.assert_array_equal(batch[0], agent.act(seen[0]))


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["train-skills", "train-prior", "train-rl"])
def test_interrupted_training_goes_on_bit_for_bit(stage: str, filmed: Workspace, tmp_path: Path) -> None:
    made = {"train-skills": "skills", "train-prior": "prior", "train-rl": "agent"}[stage]
    section = stage.replace("-", "_")
    longer = "train_rl.steps=1600" if made == "agent" else f"{section}.iterations=300"
    arguments = [stage, "filmed.yaml", "--set", longer]
    whole, halved = (copy_inputs(filmed, tmp_path / name, made) for name in ("whole", "halved"))
    expected = whole.artifact(*arguments)
    command = halved.start(*arguments, SPIRL_CHECKPOINT_SECONDS="0.05")
    run = f"artifacts/filmed/{made}/run-*/checkpoint-*.safetensors"
    assert command.wait_until(lambda: any(halved.folder.glob(run))), command.stderr
    command.interrupt(signal.SIGINT)
    assert command.wait().returncode == 130, command.stderr
    found = halved.artifact(*arguments)
    for path in sorted(expected.glob("*.safetensors")):
        if not path.name.startswith("checkpoint-"):
            assert path.read_bytes() == (found / path.name).read_bytes(), path.name
    assert list(expected.glob("*.safetensors"))


def copy_inputs(filmed: Workspace, folder: Path, made: str) -> Workspace:
    """Copy the workspace without the artifacts of a stage and those after it."""
    folder.mkdir()
    shutil.copy(filmed.folder / "filmed.yaml", folder)
    shutil.copytree(filmed.folder / "sliders", folder / "sliders")
    stages = ("clips", "skills", "prior", "agent")
    for stage in stages[: stages.index(made)]:
        shutil.copytree(filmed.folder / f"artifacts/filmed/{stage}", folder / f"artifacts/filmed/{stage}")
    return Workspace(folder, filmed.server, filmed.variables)


def test_networks_that_look_at_images_of_another_stack_are_refused(filmed: Workspace) -> None:
    skills, prior = (str(artifacts(filmed.folder, "filmed")[name].path) for name in ("skills", "prior"))
    blind = "env.observation=[{key: state}]"
    arguments = ["train-rl", "filmed.yaml", "--skills", skills, "--prior", prior]
    refused = filmed.spirl(*arguments, "--set", "env.frames=3", code=3)
    assert "looks at images of shape (8, 16, 6), the environment shows (8, 16, 9)" in refused.stderr
    refused = filmed.spirl(*arguments, "--set", blind, code=3)
    assert "the environment shows none" in refused.stderr


def test_recipes_that_cannot_show_images_are_refused(filmed: Workspace) -> None:
    wrong = "env.observation=[{key: camera, image: {size: [8, 16]}}, {key: state}]"
    refused = filmed.spirl("recipe", "show", "filmed.yaml", "--set", wrong, code=2)
    assert "env.observation images have to come last" in refused.stderr
    drawn = "extract.observation=[{key: state}, {key: image, image: {size: [8, 8]}}]"
    refused = filmed.spirl("recipe", "show", "maze", "--set", drawn, code=2)
    assert "images of env.kind 'maze' are drawn from states" in refused.stderr
