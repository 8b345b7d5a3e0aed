"""Vectors of skill environments that step together, in worker processes or in this process."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from spirl_cli.domains.section import EnvSection
from spirl_cli.envs.make import make_env
from spirl_cli.envs.replayable import EpisodeState, ReplayableEnv
from spirl_cli.envs.skill_env import SkillEnv
from spirl_cli.envs.workers import WorkerEnv, WorkerVector
from spirl_cli.inference.decoders import SkillDecoder

INFO_KEYS = ("episode", "metrics", "steps", "last_reward", "late_observation")


@dataclass(frozen=True)
class SkillEnvMaker:
    """Makes one environment of a vector; it is picklable, so that it can be sent to a worker."""

    section: EnvSection
    decoder: SkillDecoder
    seed: int
    slot: int
    slots: int

    def __call__(self) -> gym.Env[Any, Any]:
        """Make the environment with its own decoder, since decoders have state."""
        env = ReplayableEnv(make_env(self.section), self.seed, self.slot, self.slots)
        return WorkerEnv(SkillEnv(env, copy.deepcopy(self.decoder)), INFO_KEYS)


class LocalVector(SyncVectorEnv):
    """The same interface and the same results as `WorkerVector`, in this process."""

    def __init__(self, makers: Sequence[SkillEnvMaker]) -> None:
        super().__init__(makers, autoreset_mode=AutoresetMode.SAME_STEP)
        self._pending: np.ndarray | None = None

    def step_async(self, actions: np.ndarray) -> None:
        """Store the skills `(N, K)` for `step_wait`."""
        self._pending = actions

    def step_wait(self) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Run the stored skills."""
        actions, self._pending = self._pending, None
        return self.step(actions)


SkillVector: TypeAlias = WorkerVector | LocalVector


def make_vector(
    section: EnvSection,
    decoder: SkillDecoder,
    count: int,
    seed: int,
    *,
    processes: bool = True,
    warn: Callable[[str], None] = lambda text: None,
) -> SkillVector:
    """Make `count` environments whose actions are skills `(N, K)`.

    Environment i runs the episodes i, i + count, i + 2·count, … of the sequence of `seed` (see `ReplayableEnv`). The
    vector steps with `step_async` and `step_wait`, or with `step`; `split_step` reads the results. If an
    episode ends, the environment is reset within the same step.

    Args:
        section: the recipe's environment.
        decoder: the skills; NumPy only, since the worker processes do not import torch.
        count: number of environments N, each in its own process.
        seed: seed of the sequence of episodes.
        processes: False keeps them in this process, for tests.
        warn: is told of an environment that does not answer.

    Raises:
        UsageError: as `make_env`.
        SpirlError: an environment failed, now or in a later step; or its process died, or took longer than
            `section.step_seconds`.
    """
    makers = [SkillEnvMaker(section, decoder, seed, slot, count) for slot in range(count)]
    if not processes:
        return LocalVector(makers)
    # one skill is up to H steps, and the reset after the last of them counts as one
    limit = None if section.step_seconds is None else section.step_seconds * (decoder.horizon + 1)
    return WorkerVector(makers, limit, warn)


@dataclass(frozen=True)
class VectorStep:
    """One transition of every environment, N in all.

    Attributes:
        observation: the observation to act on next `(N, D)`; the new episode's first one if an episode ended.
        next_observation: the true successor state `(N, D)`; the old episode's last one if an episode ended.
        reward: sum of rewards over the skill `(N,)`.
        terminated: the episode ended by itself `(N,)`; nothing follows.
        truncated: the episode reached its time limit `(N,)`; never together with `terminated`.
        steps: primitive steps taken `(N,)`.
        last_reward: reward of the skill's last primitive step `(N,)`.
        late_observation: observation after the skill's first primitive step `(N, D)`.
        episode: index of the episode that the transition belongs to `(N,)`.
        next_episode: index of the episode that `observation` belongs to `(N,)`.
        metrics: metrics of the ended episode, or None if it goes on; length N.
    """

    observation: np.ndarray
    next_observation: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    steps: np.ndarray
    last_reward: np.ndarray
    late_observation: np.ndarray
    episode: np.ndarray
    next_episode: np.ndarray
    metrics: tuple[dict[str, float] | None, ...]

    @property
    def ended(self) -> np.ndarray:
        """Whether the episode ended, either way `(N,)`."""
        ended: np.ndarray = self.terminated | self.truncated
        return ended


def split_step(
    observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray, infos: dict[str, Any]
) -> VectorStep:
    """Return the results of a vector's step as a `VectorStep`: `split_step(*vector.step_wait())`."""
    ended = terminated | truncated  # (N,)
    next_observation = observation.copy()  # (N, D)
    for index in np.flatnonzero(ended):
        next_observation[index] = infos["final_obs"][index]
    return VectorStep(
        observation=observation,
        next_observation=next_observation,
        reward=reward.copy(),
        terminated=terminated.copy(),
        truncated=truncated.copy(),
        steps=_merged(infos, "steps", ended),
        last_reward=_merged(infos, "last_reward", ended),
        late_observation=_merged(infos, "late_observation", ended),
        episode=_merged(infos, "episode", ended),
        next_episode=infos["episode"],
        metrics=tuple(_final_metrics(infos, index) if end else None for index, end in enumerate(ended)),
    )


@dataclass(frozen=True)
class RestoredVector:
    """The state of a restored vector.

    Attributes:
        observation: the observations to act on next `(N, D)`.
        exact: whether every environment returned to exactly the same observation. If not, the environment is not
            deterministic given its seed, and the run goes on from similar states only.
    """

    observation: np.ndarray
    exact: bool


def read_episode_states(vector: SkillVector) -> list[EpisodeState]:
    """Return the state of every environment; call it between steps only."""
    return list(vector.get_attr("episode_state"))


def restore_episode_states(vector: SkillVector, episode_states: Sequence[EpisodeState]) -> RestoredVector:
    """Restore the state of every environment by repeating its episode's actions."""
    vector.set_attr("episode_state", list(episode_states))
    now = read_episode_states(vector)
    return RestoredVector(np.stack([s["observation"] for s in now]), all(vector.get_attr("restored_exactly")))


def _merged(infos: dict[str, Any], key: str, ended: np.ndarray) -> np.ndarray:
    """Return a value of the step's info, but of the final info if the episode ended."""
    if not ended.any():
        return np.asarray(infos[key])
    merged: np.ndarray = np.array(infos["final_info"][key])
    if not ended.all():
        merged[~ended] = infos[key][~ended]
    return merged


def _final_metrics(infos: dict[str, Any], index: int) -> dict[str, float]:
    metrics = infos["final_info"]["metrics"]
    # for every key gymnasium adds a mask with a leading underscore
    return {key: float(values[index]) for key, values in metrics.items() if not key.startswith("_")}
