"""Several skill environments in lock-step, in worker processes or in this one."""

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
from spirl_cli.envs.replayable import ReplayableEnv, Snapshot
from spirl_cli.envs.skill_env import SkillEnv
from spirl_cli.envs.workers import WorkerEnv, WorkerVector
from spirl_cli.inference.decoders import SkillDecoder

INFO_KEYS = ("episode", "metrics", "steps", "last_reward", "late_observation")


@dataclass(frozen=True)
class SkillEnvMaker:
    """Makes one environment of a vector; picklable, so that it can travel to a worker."""

    section: EnvSection
    decoder: SkillDecoder
    seed: int
    slot: int
    slots: int

    def __call__(self) -> gym.Env[Any, Any]:
        """Make the environment with a decoder of its own, since decoders have state."""
        env = ReplayableEnv(make_env(self.section), self.seed, self.slot, self.slots)
        return WorkerEnv(SkillEnv(env, copy.deepcopy(self.decoder)), INFO_KEYS)


class LocalVector(SyncVectorEnv):
    """The same interface and the same results as :class:`WorkerVector`, in this process."""

    def __init__(self, makers: Sequence[SkillEnvMaker]) -> None:
        super().__init__(makers, autoreset_mode=AutoresetMode.SAME_STEP)
        self._pending: np.ndarray | None = None

    def step_async(self, actions: np.ndarray) -> None:
        """Note the skills (N, K)."""
        self._pending = actions

    def step_wait(self) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Run the skills noted before."""
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
    """Make ``count`` environments whose actions are skills (N, K).

    Environment i runs the episodes i, i + count, i + 2·count, … of the sequence of ``seed`` (see
    `ReplayableEnv`). The vector steps with ``step_async`` and ``step_wait``, or ``step``; its results
    are read with :func:`split_step`. An environment whose episode ended is reset within the step.

    Args:
        section: the recipe's environment.
        decoder: the skills; NumPy only, since it travels to processes that do not import torch.
        count: number of environments N, each with a process of its own.
        seed: seed of the sequence of episodes.
        processes: False keeps them in this process, for tests.
        warn: is told of an environment that does not answer.

    Raises:
        UsageError: as `make_env`.
        SpirlError: an environment failed, here or in any later step; or its process died, or took longer
            than ``section.step_seconds`` allows.
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
        observation: what to act on next (N, D); where an episode ended, the next one's first.
        next_observation: the true successor state (N, D); where an episode ended, its last.
        reward: sum over the skill (N,).
        terminated: the episode ended by itself (N,); nothing follows.
        truncated: the episode ran out of time (N,); never both.
        steps: primitive steps taken (N,).
        last_reward: reward of the last primitive step (N,).
        late_observation: the observation after the first primitive step (N, D).
        episode: index of the episode that the transition belongs to (N,).
        next_episode: index of the episode that ``observation`` belongs to (N,).
        metrics: for every environment whose episode ended its metrics, else None; length N.
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
        """Whether the episode ended, either way (N,)."""
        ended: np.ndarray = self.terminated | self.truncated
        return ended


def split_step(
    observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray, infos: dict[str, Any]
) -> VectorStep:
    """Sort what a vector's step returned, ``split_step(*vector.step_wait())``."""
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
    """Where a restored vector stands.

    Attributes:
        observation: what to act on next (N, D).
        exact: whether every environment came back to the very same observation. If not, it is not
            deterministic given its seed, and the run goes on from similar states only.
    """

    observation: np.ndarray
    exact: bool


def take_snapshots(vector: SkillVector) -> list[Snapshot]:
    """Return the state of every environment; not while a step is under way."""
    return list(vector.get_attr("snapshot"))


def restore_snapshots(vector: SkillVector, snapshots: Sequence[Snapshot]) -> RestoredVector:
    """Bring every environment to its snapshot, by doing its episode's actions again."""
    vector.set_attr("snapshot", list(snapshots))
    now = take_snapshots(vector)
    return RestoredVector(np.stack([s["observation"] for s in now]), all(vector.get_attr("restored_exactly")))


def _merged(infos: dict[str, Any], key: str, ended: np.ndarray) -> np.ndarray:
    """Take a value from the step's info, or where the episode ended from its final info."""
    if not ended.any():
        return np.asarray(infos[key])
    merged: np.ndarray = np.array(infos["final_info"][key])
    if not ended.all():
        merged[~ended] = infos[key][~ended]
    return merged


def _final_metrics(infos: dict[str, Any], index: int) -> dict[str, float]:
    metrics = infos["final_info"]["metrics"]
    # gymnasium adds a mask with a leading underscore to every key
    return {key: float(values[index]) for key, values in metrics.items() if not key.startswith("_")}
