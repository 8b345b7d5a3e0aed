"""Demonstrations of stacking blocks: they succeed, repeat themselves, and become clips with images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spirl_cli.clips.reader import Clips
from spirl_cli.demos.generation import GeneratedDataset, generate
from spirl_cli.domains.blocks import geometry, image
from spirl_cli.domains.blocks.domain import BlocksDomain
from spirl_cli.domains.blocks.physics import BlocksPhysics
from spirl_cli.domains.blocks.planner import stack_episode
from spirl_cli.domains.blocks.section import BlocksPlanner, BlocksSection
from spirl_cli.domains.domain import GeneratedEpisode, Wanted
from spirl_cli.domains.kitchen.section import KitchenSection
from spirl_cli.domains.maze.section import MazePlanner
from spirl_cli.errors import UsageError
from spirl_cli.monitor.reporter import SilentReporter
from spirl_cli.payload import CLIPS_FILE
from spirl_cli.pipeline.graph import stage
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.schema import Recipe
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.settings import ObservationPart
from spirl_cli.stages.context import StageContext, StageResult
from spirl_cli.stages.extract import execute
from tests.support.commands import RunCli
from tests.support.demos_data import identify

SMALL = BlocksPlanner(blocks=3, stacked=1, stackings=1)
STATE = (ObservationPart(key="state"),)


def stack_numbered(planner: BlocksPlanner, seed: int, number: int) -> GeneratedEpisode:
    return stack_episode(planner, np.random.SeedSequence(seed, spawn_key=(number,)))


def levels(state: np.ndarray) -> np.ndarray:
    return np.rint((state[geometry.GRIPPER_NUMBERS + 1 :: 3] - geometry.HALF) / geometry.BLOCK).astype(int)


@pytest.mark.parametrize("number", range(4))
def test_a_demonstration_takes_blocks_from_the_table_onto_others(number: int) -> None:
    planner = BlocksPlanner()
    episode = stack_numbered(planner, 0, number)
    first, last = (levels(episode.observations[step]) > 0 for step in (0, -1))
    assert first.sum() <= planner.stacked and 1 <= last.sum() - first.sum() <= planner.stackings
    assert last[first].all()  # nothing is taken off a tower
    assert len(episode.actions) <= planner.max_steps
    assert episode.observations.shape == (len(episode.actions) + 1, 23) and np.abs(episode.actions).max() <= 1
    assert set(np.unique(episode.actions[:, 2])) == {-1.0, 1.0}


@pytest.mark.parametrize(("noise", "failed"), [(0.0, 0.0), (0.3, 0.0), (0.3, 0.5)])
def test_nearly_all_demonstrations_succeed(noise: float, failed: float) -> None:
    planner = BlocksPlanner(action_noise=noise, noisy_share=0.5, failed_grasps=failed)
    attempts = [stack_numbered(planner, 1, number).attempts for number in range(12)]
    assert len(attempts) / sum(attempts) >= 0.8


def test_after_a_failed_grasp_the_gripper_leaves_what_its_fingers_rest_on() -> None:
    """It is pressed down, where it can go no further, while it means to rise; then it rises."""
    planner = BlocksPlanner(failed_grasps=1.0)
    gaps = []
    for number in range(8):
        episode = stack_numbered(planner, 3, number)
        heights = episode.observations[:, 1]
        pressed = int(np.argmax(heights > heights[0] + 0.005)) - 1  # steps until it rises
        assert 3 <= pressed <= 22 and np.ptp(heights[:pressed]) < 0.012
        np.testing.assert_array_equal(episode.actions[:3], [[0.0, 1.0, 1.0]] * 3)
        assert heights[pressed : pressed + 8].max() > heights[pressed] + 0.02
        places = episode.observations[0, geometry.GRIPPER_NUMBERS :].reshape(-1, 3)
        gaps.append(np.diff(np.sort(places[places[:, 1] < geometry.BLOCK, 0])).min() - geometry.BLOCK)
    assert min(gaps) < geometry.GAP / 2


@pytest.mark.parametrize(("travel_height", "lowest"), [(0.0, 0.15), (0.45, 0.4)])
def test_ways_across_lead_as_high_as_asked(travel_height: float, lowest: float) -> None:
    planner = BlocksPlanner(travel_height=travel_height, disturbance=0.0, stacked=0)
    heights = []
    for number in range(4):
        states = stack_numbered(planner, 0, number).observations[10:]  # where it starts is not a way yet
        heights += states[np.abs(states[:, 2]) > 0.4, 1].tolist()  # at four fifths of full speed
    assert lowest < min(heights) and (travel_height > 0 or min(heights) < 0.35)


def test_an_episode_follows_from_seed_and_number() -> None:
    first, again, other, reseeded = (
        stack_numbered(SMALL, seed, number).actions.tobytes() for seed, number in ((0, 0), (0, 0), (0, 1), (1, 0))
    )
    assert first == again and len({first, other, reseeded}) == 3


def test_detours_make_ways_longer() -> None:
    straight, detours = (
        sum(len(stack_numbered(SMALL.model_copy(update={"disturbance": size}), 0, n).actions) for n in range(5))
        for size in (0.0, 0.4)
    )
    assert detours > straight


def test_noise_moves_the_gripper_and_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[np.ndarray] = []
    step = BlocksPhysics.step
    monkeypatch.setattr(BlocksPhysics, "step", lambda self, action: done.append(action) or step(self, action))

    def noise_of(planner: BlocksPlanner) -> tuple[np.ndarray, np.ndarray]:
        done.clear()
        episode = stack_numbered(planner, 0, 0)
        return np.array(done[-len(episode.actions) :]) - episode.actions, episode.actions[0]

    calm, first = noise_of(SMALL)
    noise, also_first = noise_of(SMALL.model_copy(update={"action_noise": 0.3, "noisy_share": 0.5}))
    assert not calm.any() and not noise[:, 2].any()
    assert 0.1 < noise[:, :2].any(axis=1).mean() < 0.6 and 0.05 < noise[:, :2].std() < 0.3
    np.testing.assert_array_equal(first, also_first)


def test_what_never_succeeds_is_an_error() -> None:
    planner = SMALL.model_copy(update={"max_steps": 3})
    with pytest.raises(RuntimeError, match="none of 200 demonstrations succeeded"):
        stack_episode(planner, np.random.SeedSequence(0))


def test_the_number_of_processes_does_not_matter(tmp_path: Path) -> None:
    generator = BlocksDomain().demonstrations(Wanted(SMALL, 4, 0, STATE))
    generate(generator, tmp_path, SilentReporter(), processes=1)
    source = GeneratedDataset(generator, tmp_path)
    for episode in source.episodes():
        expected = stack_numbered(SMALL, 0, episode.number)
        np.testing.assert_array_equal(episode.observations["state"], expected.observations)
    assert 0 < source.success_rate <= 1


# ---- the stage


def recipe(**extract: Any) -> Recipe:
    env = extract.pop("env", BlocksSection(kind="blocks", blocks=3))
    values = {"source": "planner", "blocks_planner": SMALL, "episodes": 4, "observation": STATE, "seed": 0, **extract}
    return Recipe(id="b", env=env, extract=ExtractSection(**values), train_skills=TrainSkillsSection(horizon=10))


def extract(folder: Path, recipe: Recipe) -> StageResult:
    folder.mkdir(exist_ok=True)
    return execute(StageContext(recipe, stage("clips"), {}, {}, folder, SilentReporter()))


def test_demonstrations_become_clips_whose_images_are_drawn_from_states(tmp_path: Path) -> None:
    result = extract(tmp_path / "run", recipe())
    assert 0.5 < result.metrics["planner_success"] <= 1
    clips = Clips.open(tmp_path / "run" / CLIPS_FILE)
    assert (clips.observation_dim, clips.action_dim, clips.episodes, clips.image_shape) == (17, 3, 4, (32, 32, 6))
    rows = np.arange(*clips.episode_offsets[:2])
    drawn = image.draw(clips.states(rows))
    np.testing.assert_array_equal(clips.images(rows)[..., 3:], drawn)
    np.testing.assert_array_equal(clips.images(rows)[1:, ..., :3], drawn[:-1])
    identity = identify(recipe().extract, recipe().env)
    assert identity is not None and identity.reference == "planner:blocks-3"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"env": KitchenSection()}, "makes demonstrations for env.kind 'blocks', not 'kitchen'"),
        ({"short_episodes": "join"}, "cannot be joined"),
        ({"observation": (ObservationPart(key="state", indices=("0:8",)),)}, "must be the whole state"),
    ],
)
def test_recipes_that_cannot_work_are_refused(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        extract(tmp_path / "run", recipe(**settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"planner": MazePlanner()}, "set one to null"),
        ({"episodes": None}, "needs extract.planner and extract.episodes"),
        ({"env": BlocksSection(kind="blocks", blocks=5)}, "set train_skills.image, or train_skills.state_indices"),
    ],
)
def test_recipes_that_do_not_fit_together_say_why(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recipe(**settings)


def test_mazes_keep_their_fingerprints() -> None:
    maze = load_recipe("maze").extract
    assert maze.blocks_planner is None  # null values are left out of fingerprints
    blocks = load_recipe("blocks").extract
    assert blocks.planner is None and blocks.observation == STATE


@pytest.mark.slow
def test_block_stacking_from_nothing_to_numbers(tmp_path: Path, run_cli: RunCli) -> None:
    done = run_cli("run", "blocks", "--profile", "quick", timeout=900)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / done.stdout.strip()
    rows = json.loads((folder / "results.json").read_text())["rows"]
    assert {(row["env"], row["reward"]) for row in rows} == {("blocks", "dense")}
    assert [row["metric"] for row in rows[:3]] == ["stacked", "max_stacked", "height"]
    assert [path.suffix for path in (folder / "videos").iterdir()] == [".mp4"]
    again = run_cli("run", "blocks", "--profile", "quick")
    assert "up to date" in again.stderr and again.stdout == done.stdout
