"""Demonstrations in random mazes: made by a planner, generated in parallel, stored with their layouts."""

from __future__ import annotations

import functools
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spirl_cli.clips.drawing import Drawing
from spirl_cli.clips.reader import Clips, ClipWriter
from spirl_cli.demos.chunks import chunks, write_chunk
from spirl_cli.demos.dataset import StoredEpisode
from spirl_cli.demos.episode import ActionBounds, Episode
from spirl_cli.demos.generation import GeneratedDataset, generate
from spirl_cli.domains.domain import GeneratedEpisode, Generator, Wanted
from spirl_cli.domains.kitchen.section import KitchenSection
from spirl_cli.domains.maze.domain import MazeDomain
from spirl_cli.domains.maze.env import MazeEnv
from spirl_cli.domains.maze.image import draw
from spirl_cli.domains.maze.layout import distances, generate_layout
from spirl_cli.domains.maze.physics import MazePhysics
from spirl_cli.domains.maze.planner import plan_episode
from spirl_cli.domains.maze.section import MazePlanner, MazeSection
from spirl_cli.errors import ArtifactError, DatasetError, Interrupted, SpirlError, UsageError
from spirl_cli.files import SEAL_SUFFIX
from spirl_cli.monitor.reporter import SilentReporter
from spirl_cli.payload import CLIPS_FILE, GENERATED_FOLDER
from spirl_cli.pipeline.graph import stage
from spirl_cli.recipe.schema import Recipe
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.settings import ObservationPart
from spirl_cli.stages.context import StageContext, StageResult
from spirl_cli.stages.extract import execute
from tests.support.commands import RunCli
from tests.support.demos_data import identify

BOUNDS = ActionBounds(np.full(2, -1, np.float32), np.full(2, 1, np.float32))
SMALL = MazePlanner(size=10)


def plan_numbered(planner: MazePlanner, seed: int, number: int) -> GeneratedEpisode:
    return plan_episode(planner, np.random.SeedSequence(seed, spawn_key=(number,)))


STATE = (ObservationPart(key="state"),)


def cells(states: np.ndarray) -> np.ndarray:
    """Row and column of every state, (T+1, 2)."""
    return np.floor(states[:, 1::-1]).astype(int)


# ---- trajectories


@pytest.mark.parametrize("number", range(6))
def test_a_demonstration_follows_a_shortest_path(number: int) -> None:
    episode = plan_numbered(MazePlanner(max_steps=3000), 0, number)
    assert episode.scene is not None
    visited = cells(episode.observations)
    assert not episode.scene[tuple(visited.T)].any(), "it is inside a wall"
    away = distances(episode.scene, tuple(visited[-1]))[tuple(visited.T)]
    assert set(range(away[0] + 1)) <= set(away), "it left out a cell of the path"
    assert np.unique(visited, axis=0).shape[0] <= away[0] + 1 + 4, "it strayed from the path"


def test_stored_actions_reproduce_the_stored_states() -> None:
    episode = plan_numbered(MazePlanner(action_noise=0.3), 1, 0)
    assert episode.scene is not None and np.abs(episode.actions).max() == 1
    physics = MazePhysics(episode.scene)
    physics.reset(episode.observations[0, :2])
    for action, state in zip(episode.actions, episode.observations[1:], strict=True):
        physics.step(action)
        np.testing.assert_array_equal(physics.state.astype(np.float32), state)


def test_every_demonstration_arrives_if_it_may_take_as_long_as_it_needs() -> None:
    planner = MazePlanner(size=12, max_steps=2000, reach=0.4, action_noise=0.2)
    steps = [len(plan_numbered(planner, 5, number).actions) for number in range(20)]
    assert max(steps) < 2000


def test_lengths_stay_within_their_limits() -> None:
    planner = MazePlanner(size=10, min_steps=60, max_steps=90)
    steps = {len(plan_numbered(planner, 0, number).actions) for number in range(12)}
    assert min(steps) > 60 and max(steps) == 90 and len(steps) > 3


def test_an_episode_follows_from_seed_and_number() -> None:
    episodes = [plan_numbered(SMALL, seed, number) for seed, number in ((0, 0), (0, 0), (0, 1), (1, 0))]
    first, again, other, reseeded = (episode.actions.tobytes() for episode in episodes)
    assert first == again and len({first, other, reseeded}) == 3
    layouts = {np.asarray(episode.scene).tobytes() for episode in episodes}
    assert len(layouts) == 3, "layouts must differ"
    alone = plan_episode(SMALL, np.random.SeedSequence(0, spawn_key=(1,)))
    np.testing.assert_array_equal(alone.observations, episodes[2].observations)


def test_more_noise_makes_another_trajectory_in_the_same_layout() -> None:
    calm, noisy = (plan_numbered(MazePlanner(size=10, action_noise=noise), 0, 0) for noise in (0.0, 0.5))
    np.testing.assert_array_equal(calm.scene, noisy.scene)
    np.testing.assert_array_equal(calm.observations[0], noisy.observations[0])
    assert calm.actions.tobytes() != noisy.actions.tobytes()


# ---- generation


class Listener(SilentReporter):
    """Keeps what is said, and sends itself a signal once so many units are done."""

    def __init__(self, signal_at: int | None = None) -> None:
        self.said: list[str] = []
        self.done: list[float] = []
        self._signal_at = signal_at

    def message(self, text: str) -> None:
        self.said.append(text)

    @contextmanager
    def progress(self, description: str, total: float | None, unit: str, start: float = 0) -> Iterator[Any]:
        self.done.append(start)
        yield self

    def update(self, completed: float, note: str = "") -> None:
        self.done.append(completed)
        if self._signal_at is not None and completed >= self._signal_at:
            self._signal_at = None
            os.kill(os.getpid(), signal.SIGINT)


def counting(log: Path, number: int) -> GeneratedEpisode:
    """Numbers that tell where they come from; notes that it was called."""
    with log.open("a") as stream:
        stream.write(f"{number} ")
    steps = 3 + number % 4
    states = np.full((steps + 1, 4), number, np.float32)
    return GeneratedEpisode(states, np.full((steps, 2), number / 100, np.float32), np.eye(3, dtype=bool))


def dying(number: int) -> GeneratedEpisode:
    os._exit(3)


def generator(make: Any, episodes: int, chunk: int = 4) -> Generator:
    return Generator("test", make, episodes, BOUNDS.low, BOUNDS.high, chunk=chunk)


def same(left: StoredEpisode, right: StoredEpisode) -> bool:
    pairs = ((left.observations["state"], right.observations["state"]), (left.actions, right.actions))
    return left.number == right.number and all(np.array_equal(*pair) for pair in (*pairs, (left.scene, right.scene)))


def test_episodes_come_back_in_order_whole(tmp_path: Path) -> None:
    made = generator(functools.partial(counting, tmp_path / "log"), 10)
    generate(made, tmp_path / "a", SilentReporter(), processes=1)
    episodes = list(GeneratedDataset(made, tmp_path / "a").episodes())
    assert len(list((tmp_path / "a").glob("*.hdf5"))) == 3
    for number, episode in enumerate(episodes):
        expected = counting(tmp_path / "log", number)
        assert same(episode, StoredEpisode(number, {"state": expected.observations}, expected.actions, expected.scene))
    assert len(episodes) == 10


def test_the_result_does_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    made = MazeDomain().demonstrations(Wanted(SMALL, 6, 3, STATE))
    small_chunks = Generator(made.name, made.make, made.episodes, made.low, made.high, chunk=2)
    listener = Listener()
    generate(made, tmp_path / "one", listener, processes=1)
    generate(small_chunks, tmp_path / "two", listener, processes=2)
    assert listener.done[0] == 0 and listener.done[-1] == 6
    sources = GeneratedDataset(made, tmp_path / "one"), GeneratedDataset(small_chunks, tmp_path / "two")
    assert [same(*pair) for pair in zip(*(source.episodes() for source in sources), strict=True)] == [True] * 6


def test_an_interruption_keeps_what_is_finished(tmp_path: Path) -> None:
    made = generator(functools.partial(counting, tmp_path / "log"), 40)
    listener = Listener(signal_at=4)
    with pytest.raises(Interrupted, match=r"of 40 generated episodes"):
        generate(made, tmp_path / "a", listener, processes=1)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    chunks = [name for name in files if name.endswith(".hdf5")]
    assert 1 <= len(chunks) < 10
    assert set(files) == {*chunks, *(f".{name}{SEAL_SUFFIX}" for name in chunks)}
    (tmp_path / "a" / "episodes-0000036-0000040.99999").write_bytes(b"torn")  # by a process that was killed
    generate(made, tmp_path / "a", listener, processes=1)
    assert listener.said == [f"{4 * len(chunks)} of 40 episodes were generated before the interruption"]
    assert sorted(map(int, (tmp_path / "log").read_text().split())) == list(range(40)), "one was made twice"
    episodes = GeneratedDataset(made, tmp_path / "a").episodes()
    assert [episode.observations["state"][0, 0] for episode in episodes] == list(range(40))


def test_a_worker_that_dies_is_explained(tmp_path: Path) -> None:
    with pytest.raises(SpirlError, match="a process that generates demonstrations died") as caught:
        generate(generator(dying, 8), tmp_path / "a", SilentReporter(), processes=2)
    assert "memory" in caught.value.hint


def test_the_failure_of_an_episode_is_not_hidden(tmp_path: Path) -> None:
    def make(number: int) -> GeneratedEpisode:
        raise ArithmeticError("no way")

    with pytest.raises(ArithmeticError, match="no way"):
        generate(generator(make, 8), tmp_path / "a", SilentReporter(), processes=1)


# ---- the stage


def recipe(seed: int = 0, env: Any = None, **extract: Any) -> Recipe:
    values = {"source": "planner", "planner": SMALL, "episodes": 6, "observation": STATE, "seed": seed, **extract}
    maze = env or MazeSection(kind="maze")
    return Recipe(id="m", env=maze, extract=ExtractSection(**values), train_skills=TrainSkillsSection(horizon=10))


def extract(folder: Path, recipe: Recipe, reporter: SilentReporter | None = None) -> StageResult:
    folder.mkdir(exist_ok=True)
    return execute(StageContext(recipe, stage("clips"), {}, {}, folder, reporter or SilentReporter()))


def test_generated_demonstrations_become_clips_with_layouts(tmp_path: Path) -> None:
    result = extract(tmp_path / "run", recipe())
    # the commit drops the chunks; until then they are what a killed one goes on from
    assert result.keep == (CLIPS_FILE,)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {CLIPS_FILE, GENERATED_FOLDER}
    clips = Clips.open(tmp_path / "run" / CLIPS_FILE)
    assert (clips.observation_dim, clips.action_dim, clips.episodes, clips.image_shape) == (4, 2, 6, (32, 32, 6))
    identity = identify(recipe().extract, recipe().env)
    assert identity is not None and identity.sha256 == clips.identity["sha256"] == result.inputs["dataset"].sha256
    assert (identity.reference, identity.episodes, identity.steps) == ("planner:maze-10x10", 6, None)
    for number in range(6):
        episode = plan_numbered(SMALL, 0, number)
        first, stop = clips.episode_offsets[number : number + 2]
        np.testing.assert_array_equal(clips.states(np.arange(first, stop)), episode.observations)
        layouts = np.asarray(episode.scene)[None]
        expected = draw(np.repeat(layouts, stop - first, axis=0), episode.observations[:, :2])
        np.testing.assert_array_equal(clips.images(np.arange(first, stop))[..., 3:], expected)


def test_an_interrupted_extraction_goes_on_and_gives_the_same_bytes(tmp_path: Path) -> None:
    extract(tmp_path / "whole", recipe())
    for words in ("6 of 6 generated episodes", "the extraction was interrupted"):  # while they are generated, and after
        with pytest.raises(Interrupted, match=words):
            extract(tmp_path / "run", recipe(), Listener(signal_at=3))
        assert [path.name for path in (tmp_path / "run").iterdir()] == [GENERATED_FOLDER]
    extract(tmp_path / "run", recipe())
    assert (tmp_path / "run" / CLIPS_FILE).read_bytes() == (tmp_path / "whole" / CLIPS_FILE).read_bytes()


def test_identity_follows_everything_that_decides_the_episodes() -> None:
    planner = SMALL.model_copy(update={"reach": 0.4})
    variants = [recipe(), recipe(), recipe(seed=1), recipe(episodes=7), recipe(planner=planner)]
    first, again, *others = (identify(one.extract, one.env) for one in variants)
    assert first == again and first is not None
    assert len({first.sha256, *(one.sha256 for one in others if one)}) == 4


def test_frames_decide_the_clips_of_mazes_only() -> None:
    two, three = (recipe(env=MazeSection(kind="maze", frames=frames)) for frames in (2, 3))
    parameters = stage("clips").parameters
    assert parameters(two)["env"] == {"frames": 2} and parameters(three)["env"] == {"frames": 3}
    kitchen = Recipe(id="k", env=KitchenSection(), extract=ExtractSection(dataset="a/b-v0"))
    assert set(parameters(kitchen)) == {"extract", "train_skills"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"env": KitchenSection()}, "makes demonstrations for env.kind 'maze', not 'kitchen'"),
        ({"short_episodes": "join"}, "cannot be joined"),
        ({"observation": (ObservationPart(key="state", indices=("2:4",)),)}, "must begin with the position"),
        ({"observation": (ObservationPart(key="stat"),)}, "Did you mean 'state'"),
    ],
)
def test_recipes_that_cannot_work_are_refused_before_anything_is_made(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        extract(tmp_path / "run", recipe(**settings))
    assert not list((tmp_path / "run").iterdir())


# ---- images of clips


def drawn_clips(path: Path, frames: int) -> tuple[Clips, list[Episode]]:
    """Clips of three episodes of random states, each in a layout of its own."""
    rng = np.random.default_rng(0)
    episodes = []
    for number, steps in enumerate((5, 7, 6)):
        states = np.concatenate([rng.uniform(1, 11, (steps + 1, 2)), rng.normal(size=(steps + 1, 2))], axis=1)
        actions = np.zeros((steps, 2), np.float32)
        episodes.append(Episode(number, states.astype(np.float32), actions, generate_layout(number, 10)))
    with ClipWriter(path, 3, BOUNDS) as writer:
        for episode in episodes:
            writer.append(episode)
        writer.finish(0.3, 0, {}, Drawing("maze", frames))
    return Clips.open(path), episodes


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_images_are_those_of_the_last_steps_of_the_episode(frames: int, tmp_path: Path) -> None:
    clips, episodes = drawn_clips(tmp_path / "clips.hdf5", frames)
    assert clips.image_shape == (32, 32, 3 * frames)
    rows = np.arange(clips.episode_offsets[-1]).reshape(3, -1)  # two axes, and all rows
    images = clips.images(rows)
    assert images.dtype == np.uint8 and images.shape == (*rows.shape, 32, 32, 3 * frames)
    expected = []
    for episode in episodes:
        for step in range(episode.steps + 1):
            steps = [max(step - back, 0) for back in reversed(range(frames))]
            single = [draw(np.asarray(episode.scene), episode.observations[one : one + 1, :2])[0] for one in steps]
            expected.append(np.concatenate(single, axis=-1))
    np.testing.assert_array_equal(images.reshape(-1, *images.shape[2:]), expected)
    np.testing.assert_array_equal(clips.images(rows[1, 2]), images[1, 2])


def test_clips_show_what_the_environment_shows(tmp_path: Path) -> None:
    env = MazeEnv(MazeSection(kind="maze", size=10, path_length=6, max_manhattan=6, frames=2))
    env.action_space.seed(0)
    episodes, shown = [], []
    for number in range(2):
        seen = [env.reset(seed=number)[0]]
        actions = [env.action_space.sample() for _ in range(20)]
        seen += [env.step(action)[0] for action in actions]
        states = np.stack([one["state"] for one in seen])
        episodes.append(Episode(number, states, np.array(actions), env.task.layout))
        shown += [one["image"] for one in seen]
    with ClipWriter(tmp_path / "clips.hdf5", 3, BOUNDS) as writer:
        for episode in episodes:
            writer.append(episode)
        writer.finish(0.5, 0, {}, Drawing("maze", 2))
    images = Clips.open(tmp_path / "clips.hdf5").images(np.arange(len(shown)))
    np.testing.assert_array_equal(images, shown)
    assert (images[1:21, ..., :3] != images[1:21, ..., 3:]).any(axis=(1, 2, 3)).all(), "motion does not show"


def test_clips_without_scenes_have_no_images(tmp_path: Path) -> None:
    states = np.zeros((6, 4), np.float32)
    with ClipWriter(tmp_path / "clips.hdf5", 3, BOUNDS) as writer:
        for number in range(2):
            writer.append(Episode(number, states, np.zeros((5, 2), np.float32)))
        with pytest.raises(DatasetError, match="has a scene of shape"):
            writer.append(Episode(2, states, np.zeros((5, 2), np.float32), np.eye(3, dtype=bool)))
        writer.finish(0.3, 0, {}, Drawing("maze", 2))
    clips = Clips.open(tmp_path / "clips.hdf5")
    assert clips.image_shape is None
    with pytest.raises(ArtifactError, match="no images"):
        clips.images(np.array([0]))


def test_a_scene_takes_a_bit_per_cell(tmp_path: Path) -> None:
    import h5py

    _, episodes = drawn_clips(tmp_path / "clips.hdf5", 2)
    with h5py.File(tmp_path / "clips.hdf5") as file:
        assert file["scenes"].shape == (3, 18)  # 12 × 12 bits
        bits = np.unpackbits(file["scenes"][()], axis=1, count=144).reshape(3, 12, 12)
    np.testing.assert_array_equal(bits.astype(bool), [episode.scene for episode in episodes])


def test_a_chunk_without_scenes_reads_back_without(tmp_path: Path) -> None:
    made = generator(None, 2)
    (path,) = chunks(made, tmp_path)
    states, actions = np.ones((4, 4), np.float32), np.ones((3, 2), np.float32)
    write_chunk(path, [GeneratedEpisode(states, actions), GeneratedEpisode(states[1:], actions[1:])])
    first, second = GeneratedDataset(made, tmp_path).episodes()
    assert first.scene is None and [len(one.observations["state"]) for one in (first, second)] == [4, 3]


# ---- the command

RECIPE = """\
env: {kind: maze, size: 12}
extract: {source: planner, episodes: 5, planner: {size: 8, min_steps: 12}}
train_skills: {horizon: 10}
"""


def test_the_command_makes_the_clips_once(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(RECIPE)
    first = run_cli("extract", "small.yaml")
    assert first.returncode == 0, first.stderr
    clips = Clips.open(tmp_path / first.stdout.strip() / CLIPS_FILE)
    assert (clips.observation_dim, clips.episodes, clips.image_shape) == (4, 5, (32, 32, 6))
    assert "generate planner:maze-8x8" in first.stderr
    again = run_cli("extract", "small.yaml", "--json")
    assert again.returncode == 0 and "up to date" in again.stderr
    assert first.stdout.strip() in json.dumps(json.loads(again.stdout))
