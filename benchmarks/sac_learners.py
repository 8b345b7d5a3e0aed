"""The two soft actor-critics that `bench-sac` compares, each on one Gymnasium environment.

A run pauses at every point of its curve, so that two runs can take turns.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.envs.vector import make_vector
from spirl_cli.inference.decoders import PrimitiveDecoder
from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.rl.loop import SkillLearning
from spirl_cli.rl.replay import Replay
from spirl_cli.rl.sac import SAC
from spirl_cli.rl.squash import squash
from spirl_cli.skills.networks import LEAK, Normalizer
from spirl_cli.skills.prior import StandardNormal
from spirl_cli.stages.supervised import use_one_thread

WIDTH, HIDDEN_LAYERS = 256, 2  # hidden layers of policy and critics
BATCH, RATE, DISCOUNT, TARGET_RATE = 256, 3e-4, 0.99, 5e-3
WARMUP_STEPS = 100  # the library's default
CAPACITY = 1_000_000
EVALUATION_SEED = 10_000  # seed of the first episode

Policy = Callable[[np.ndarray], np.ndarray]  # observation (D,) → action (A,)


@dataclass(frozen=True)
class Curve:
    """A run so far: steps, returns of the mean policy's episodes, updates, and seconds without evaluations."""

    points: list[tuple[int, list[float]]]
    updates: int
    seconds: float


class Stopwatch:
    """Adds up the seconds between calls of `begin` and `pause`."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def begin(self) -> None:
        """Start counting."""
        self._begun = time.perf_counter()

    def pause(self) -> None:
        """Stop counting."""
        self.seconds += time.perf_counter() - self._begun


def take_turns(*runs: Iterator[Curve]) -> list[Curve]:
    """Run one point of each run in turn until all end, so that other work slows all of them equally."""
    *_, finished = zip(*(_undisturbed(run) for run in runs), strict=True)
    return list(finished)


def _undisturbed(run: Iterator[Curve]) -> Iterator[Curve]:
    """Give a run its own global random state, so that turns do not affect its curve."""
    numbers = random.getstate(), np.random.get_state(), torch.get_rng_state()
    while True:
        random.setstate(numbers[0])
        np.random.set_state(numbers[1])
        torch.set_rng_state(numbers[2])
        try:
            curve = next(run)
        except StopIteration:
            return
        numbers = random.getstate(), np.random.get_state(), torch.get_rng_state()
        yield curve


def learn_ours(env_id: str, steps: int, seed: int, evaluations: int, episodes: int) -> Iterator[Curve]:
    """Train our SAC: primitive actions, entropy instead of a prior, a policy from scratch."""
    use_one_thread()
    env = gym.make(env_id)
    assert isinstance(env.action_space, gym.spaces.Box) and isinstance(env.observation_space, gym.spaces.Box)
    assert env.spec is not None and env.spec.max_episode_steps is not None
    bounds = torch.from_numpy(np.stack([env.action_space.low, env.action_space.high]))
    state_dim, action_dim = env.observation_space.shape[0], bounds.shape[1]
    task = GymnasiumSection(kind="gymnasium", id=env_id, episode_length=env.spec.max_episode_steps)
    torch.manual_seed(seed)
    section, generator = our_settings(), torch.Generator().manual_seed(seed)
    prior = StandardNormal(Normalizer.identity(state_dim), action_dim)  # used only to standardise states
    sac = SAC(section, prior, action_dim, generator, bounds=bounds)
    decoder = PrimitiveDecoder(action_dim)
    watch, points = Stopwatch(), []
    with closing(make_vector(task, decoder, 1, seed, processes=False)) as vector:
        learning = SkillLearning(
            section, sac, vector, Replay(CAPACITY, state_dim, action_dim), np.random.default_rng(seed)
        )
        for point in curve_steps(steps, evaluations):
            watch.begin()
            while learning.steps < point:
                learning.round()
            watch.pause()
            points.append((point, evaluate(env, partial(our_action, sac), episodes)))
            yield Curve(points.copy(), learning.updates, watch.seconds)
    env.close()


def our_settings() -> TrainRLSection:
    """Return a recipe's `train_rl` with the defaults of stable-baselines3."""
    return TrainRLSection(
        regularizer="entropy",
        initial_policy="scratch",
        squash="bounds",
        environments=1,
        updates_per_step=1,
        warmup_steps=WARMUP_STEPS,
        batch_size=BATCH,
        discount=DISCOUNT,
        target_rate=TARGET_RATE,
        policy_width=WIDTH,
        policy_depth=HIDDEN_LAYERS - 1,  # without the input layer
        critic_width=WIDTH,
        critic_depth=HIDDEN_LAYERS,
        critic_layer_norm=False,
        policy_learning_rate=RATE,
        critic_learning_rate=RATE,
        alpha_learning_rate=RATE,
        initial_alpha=1.0,
        max_gradient_norm=None,
        min_log_sigma=-10.0,
        replay_capacity=CAPACITY,
    )


@torch.no_grad()
def our_action(sac: SAC, observation: np.ndarray) -> np.ndarray:
    """Return the mean action `(A,)` of our policy."""
    mean = sac.policy(torch.from_numpy(observation.astype(np.float32))).mean
    action: np.ndarray = squash(mean, sac.section.squash, sac.bounds).numpy()
    return action


def learn_theirs(env_id: str, steps: int, seed: int, evaluations: int, episodes: int) -> Iterator[Curve]:
    """Train stable-baselines3's SAC with the same networks."""
    from stable_baselines3 import SAC as TheirSAC

    use_one_thread()
    env, shown = gym.make(env_id), gym.make(env_id)
    shape = {"net_arch": [WIDTH] * HIDDEN_LAYERS, "activation_fn": partial(torch.nn.LeakyReLU, LEAK)}
    model = TheirSAC(
        "MlpPolicy",
        env,
        learning_rate=RATE,
        buffer_size=CAPACITY,
        learning_starts=WARMUP_STEPS,
        batch_size=BATCH,
        tau=TARGET_RATE,
        gamma=DISCOUNT,
        policy_kwargs=shape,
        seed=seed,
        device="cpu",
    )
    watch, points, done = Stopwatch(), [], 0
    for point in curve_steps(steps, evaluations):
        watch.begin()
        model.learn(point - done, reset_num_timesteps=False)
        watch.pause()
        done = point
        points.append((point, evaluate(shown, partial(_their_action, model), episodes)))
        yield Curve(points.copy(), int(model._n_updates), watch.seconds)
    env.close()
    shown.close()


def _their_action(model: Any, observation: np.ndarray) -> np.ndarray:
    action: np.ndarray = model.predict(observation, deterministic=True)[0]
    return action


def curve_steps(steps: int, evaluations: int) -> list[int]:
    """Return the environment steps at which a run is evaluated; the last one is its end."""
    count = min(evaluations, steps)
    return [steps * (number + 1) // count for number in range(count)]


def evaluate(env: gym.Env[Any, Any], policy: Policy, episodes: int) -> list[float]:
    """Play a fixed set of episodes with a policy; return their returns."""
    returns = []
    for episode in range(episodes):
        observation, _ = env.reset(seed=EVALUATION_SEED + episode)
        total, ended = 0.0, False
        while not ended:
            observation, reward, terminated, truncated, _ = env.step(policy(observation))
            total += float(reward)
            ended = terminated or truncated
        returns.append(total)
    return returns
