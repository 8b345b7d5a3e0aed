"""What skills do: each acted out from the same states, and those that a prior proposes along its own episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spirl_cli.domains.section import EnvSection
from spirl_cli.envs.make import make_env
from spirl_cli.envs.skill_env import SkillEnv
from spirl_cli.envs.watched import WatchedEnv
from spirl_cli.evaluation.replay import ObservationNotes
from spirl_cli.evaluation.seeds import environment_seed, episode_generator
from spirl_cli.inference.decoders import SkillDecoder
from spirl_cli.inference.policies import SkillPolicy

Floats = npt.NDArray[np.float32]
VALUES = (-2.0, -1.0, 0.0, 1.0, 2.0)  # of one number of a skill, the others being 0


@dataclass(frozen=True)
class Trial:
    """A skill that was acted out.

    Attributes:
        axis: the number of the skill that is not 0.
        value: its value.
        states: the states on the way, pixels left out, `(T+1, D)`.
    """

    axis: int
    value: float
    states: Floats


@dataclass(frozen=True)
class Proposal:
    """A skill `(K,)` that a prior proposed in a state `(D,)`, at a step of an episode."""

    episode: int
    step: int
    state: Floats
    latent: Floats


class Stage:
    """An environment in which skills are acted out; close it in the end.

    Args:
        section: the environment's section.
        decoder: the skills.
        seed: of the episode in which they begin.
    """

    def __init__(self, section: EnvSection, decoder: SkillDecoder, seed: int) -> None:
        self._pixels = int(np.prod(section.image_shape or (0,)))
        self._notes = ObservationNotes(self._numbers)
        self._env = SkillEnv(WatchedEnv(make_env(section), self._notes), decoder)
        self._seed = environment_seed(seed)
        self.latent_dim = decoder.latent_dim

    def begin(self, before: Sequence[Floats] = (), episode: int = 0) -> tuple[Floats, bool]:
        """Start the episode and act out some skills; returns the observation, and whether the episode has ended."""
        observation, _ = self._env.reset(seed=(self._seed + episode) % 2**31)
        over = False
        for latent in before:
            if not over:
                observation, _, terminated, truncated, _ = self._env.step(latent)
                over = terminated or truncated
        return observation, over

    def trials(self, before: Sequence[Floats] = ()) -> list[Trial]:
        """Act out skills along each axis of the latent space, after the skills `before`."""
        found = []
        for axis in range(self.latent_dim):
            for value in VALUES:
                self.begin(before)
                taken = len(self._notes.episode())
                self._env.step(self.latent(axis, value))
                found.append(Trial(axis, value, self._notes.episode()[taken - 1 :]))
        return found

    def proposals(self, policy: SkillPolicy, episodes: int) -> list[Proposal]:
        """Play episodes with a policy; returns what it chose where."""
        found = []
        for episode in range(episodes):
            rng = episode_generator(self._seed, episode)
            observation, over = self.begin(episode=episode)
            while not over:
                latent = policy.latent(observation, rng)
                step = len(self._notes.episode()) - 1
                found.append(Proposal(episode, step, self._numbers(observation), latent))
                observation, _, terminated, truncated, _ = self._env.step(latent)
                over = terminated or truncated
        return found

    def latent(self, axis: int, value: float) -> Floats:
        """Return the skill whose number `axis` has a value, the others being 0."""
        latent = np.zeros(self.latent_dim, np.float32)
        latent[axis] = value
        return latent

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def _numbers(self, observation: np.ndarray) -> Floats:
        return np.array(observation[: len(observation) - self._pixels], np.float32)


def by_effect(trials: Sequence[Trial]) -> list[int]:
    """Return the axes of the latent space, those first along which the end of a skill varies most."""
    axes = sorted({trial.axis for trial in trials})
    scale = np.concatenate([trial.states for trial in trials]).std(0) + 1e-6
    spread = {
        axis: float((np.stack([one.states[-1] for one in trials if one.axis == axis]).std(0) / scale).mean())
        for axis in axes
    }
    return sorted(axes, key=lambda axis: -spread[axis])


def most_moved(trials: Sequence[Trial], count: int) -> list[int]:
    """Return the numbers of the state that differ most between the ends of skills."""
    spread = np.stack([trial.states[-1] for trial in trials]).std(0)
    return [int(index) for index in np.argsort(-spread, kind="stable")[:count]]


def plane(latents: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the places `(N, 2)` of skills `(N, K)` in the plane in which they vary most (principal components)."""
    centred = latents.astype(np.float64) - latents.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    flat = centred @ axes[:2].T
    return np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))
