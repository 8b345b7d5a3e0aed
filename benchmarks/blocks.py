"""The cost of a step of block stacking beyond the simulator: images, rewards and metrics.

An episode can be repeated exactly, so each of its steps is timed in several rounds, and its shortest time counts. Other
work on the computer slows some of the rounds, but hardly all rounds of a step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import gymnasium as gym
import mujoco
import numpy as np
import numpy.typing as npt

from benchmarks.measurement import Measurement
from spirl_cli.domains.blocks import geometry
from spirl_cli.domains.blocks.env import BlocksEnv
from spirl_cli.domains.blocks.physics import SUBSTEPS, BlocksPhysics
from spirl_cli.domains.blocks.planner import stack_episode
from spirl_cli.domains.blocks.section import BlocksPlanner, BlocksSection
from spirl_cli.envs.make import make_env
from spirl_cli.monitor.reporter import Reporter
from spirl_cli.recipe.load import load_recipe

LIMIT = 0.8  # least share of the speed of bare mj_step
EPISODES = 3  # courses of each kind
STEPS = 200  # steps of an episode
ROUNDS = 5  # least number of rounds

Times = npt.NDArray[np.float64]  # seconds of every step


@dataclass(frozen=True)
class Course:
    """An episode as its start and its actions.

    Attributes:
        gripper: y and z at the start `(2,)`.
        places: y, z and angle of the blocks at the start `(n, 3)`.
        actions: actions `(T, 3)`.
    """

    gripper: npt.NDArray[np.floating]
    places: npt.NDArray[np.floating]
    actions: npt.NDArray[np.float32]


def measure(seconds: float, reporter: Reporter) -> list[Measurement]:
    """Measure random actions and scripted stacking, each for half of the time."""
    section = load_recipe("blocks").env
    assert isinstance(section, BlocksSection)
    kinds = {"random actions": random_course, "scripted stacking": stacking_course}
    return [_measurement(section, kind, course, seconds / len(kinds)) for kind, course in kinds.items()]


def random_course(blocks: int, number: int) -> Course:
    """Return uniform random actions from a random start."""
    rng = np.random.default_rng(number)
    gripper = rng.uniform((-geometry.half_length(blocks), 0.18), (geometry.half_length(blocks), 0.28))
    actions = rng.uniform(-1, 1, (STEPS, 3)).astype(np.float32)
    return Course(gripper, geometry.random_places(blocks, 0, rng), actions)


def stacking_course(blocks: int, number: int) -> Course:
    """Return an episode of the scripted planner that stacks two blocks."""
    episode = stack_episode(BlocksPlanner(blocks=blocks), np.random.SeedSequence(number))
    first = episode.observations[0]
    return Course(
        first[:2], first[geometry.GRIPPER_NUMBERS :].reshape(-1, geometry.BLOCK_NUMBERS), episode.actions[:STEPS]
    )


def _measurement(
    section: BlocksSection, kind: str, course: Callable[[int, int], Course], seconds: float
) -> Measurement:
    courses = [course(section.blocks, number) for number in range(EPISODES)]
    env, physics = make_env(section), BlocksPhysics(section.blocks)
    whole: list[Times] = []
    bare: list[Times] = []
    begun = time.perf_counter()
    while len(whole) < ROUNDS or time.perf_counter() - begun < seconds:
        whole.append(np.concatenate([step_times(env, one) for one in courses]))
        bare.append(np.concatenate([bare_times(physics, one) for one in courses]))
    ours, theirs = (1 / np.min(rounds, axis=0).mean() for rounds in (whole, bare))
    return Measurement(
        name=f"block stacking, {kind}",
        value=ours / theirs,
        unit="of bare mj_step",
        limit=LIMIT,
        bound="at least",
        detail=f"{ours:,.0f} steps per second with an image each, bare {theirs:,.0f}, one core",
        parts={"steps_per_second": ours, "bare_per_second": theirs, "steps": len(whole[0]), "rounds": len(whole)},
    )


def step_times(env: gym.Env[np.ndarray, np.ndarray], course: Course) -> Times:
    """Run the course in the environment; return the seconds of every step, `(T,)`."""
    env.reset(seed=0)
    blocks = env.unwrapped
    assert isinstance(blocks, BlocksEnv)
    blocks.physics.reset(course.gripper, course.places)
    times = np.empty(len(course.actions))
    for step, action in enumerate(course.actions):
        begun = time.perf_counter()
        env.step(action)
        times[step] = time.perf_counter() - begun
    return times


def bare_times(physics: BlocksPhysics, course: Course) -> Times:
    """Run the course in the simulator alone; return the seconds of every step, `(T,)`."""
    physics.reset(course.gripper, course.places)
    times = np.empty(len(course.actions))
    for step, action in enumerate(course.actions):
        physics.command(action)
        begun = time.perf_counter()
        mujoco.mj_step(physics.model, physics.data, SUBSTEPS)
        times[step] = time.perf_counter() - begun
    return times
