"""Reproducible rollouts of a policy in a vector of environments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from spirl_cli.domains.section import EnvSection
from spirl_cli.envs.vector import VectorStep, make_vector, split_step
from spirl_cli.errors import Interrupted
from spirl_cli.evaluation.episodes import EpisodeResult
from spirl_cli.evaluation.seeds import environment_seed, episode_generator
from spirl_cli.inference.decoders import SkillDecoder
from spirl_cli.inference.policies import SkillPolicy
from spirl_cli.monitor.reporter import Reporter


@dataclass(frozen=True)
class RolloutSettings:
    """Settings of a rollout.

    Attributes:
        episodes: number of episodes E; exactly the episodes 0 … E-1 are run, each to its end.
        seed: decides, with an episode's number, all randomness of that episode.
        environments: number of worker processes; the result does not depend on it.
        processes: False runs all environments in this process.
    """

    episodes: int
    seed: int
    environments: int = 1
    processes: bool = True


def play(
    env: gym.Env[Any, Any],
    policy: SkillPolicy,
    rng: np.random.Generator,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Run one episode of a single environment whose actions are skills.

    Args:
        env: a `SkillEnv`; its next reset starts the episode.
        rng: generator of the policy's noise, see `episode_generator`.
        stop: asked before every skill.

    Raises:
        Interrupted: `stop` said True.
    """
    observation, _ = env.reset()
    over = False
    while not over:
        if stop():
            raise interrupted()
        observation, _, terminated, truncated, _ = env.step(policy.latent(observation, rng))
        over = terminated or truncated


def interrupted() -> Interrupted:
    """Return the error of an interrupted evaluation."""
    return Interrupted("the evaluation was interrupted", "the same command goes on with it")


@dataclass
class _Slot:
    """The episode that one environment of the vector runs."""

    episode: int
    rng: np.random.Generator
    return_: float = 0.0
    length: int = 0


def rollout(
    env: EnvSection,
    decoder: SkillDecoder,
    policy: SkillPolicy,
    settings: RolloutSettings,
    reporter: Reporter,
    *,
    description: str = "episodes",
    stop: Callable[[], bool] = lambda: False,
) -> list[EpisodeResult]:
    """Run the episodes 0 … E-1 and return their results in this order.

    Environment i of n runs the episodes i, i + n, i + 2n, …. An episode depends on `settings.seed` and its number only,
    so any n gives the same results.

    Args:
        description: text of the progress bar.
        stop: asked after every skill.

    Raises:
        Interrupted: `stop` said True.
        ArtifactError: the policy returned a skill that is not finite.
        SpirlError: an environment's process died.
    """
    runner = _Runner(policy, settings, decoder.latent_dim)
    seed, processes = environment_seed(settings.seed), settings.processes
    vector = make_vector(env, decoder, runner.count, seed, processes=processes, warn=reporter.warn)
    try:
        observation, _ = vector.reset()
        with reporter.progress(description, settings.episodes, "episodes") as bar:
            while not runner.done:
                step = split_step(*vector.step(runner.latents(observation)))
                runner.record(step)
                observation = step.observation
                bar.update(len(runner.results), runner.note())
                if stop():
                    raise interrupted()
    finally:
        vector.close()
    return [runner.results[episode] for episode in range(settings.episodes)]


class _Runner:
    """The episode of every environment, and the results so far.

    A vector steps all its environments together, so an environment without an episode goes on with the skill 0; nothing
    of this is recorded.
    """

    def __init__(self, policy: SkillPolicy, settings: RolloutSettings, latent_dim: int) -> None:
        self.policy, self.settings = policy, settings
        self.count = min(settings.environments, settings.episodes)
        self.slots: list[_Slot | None] = [self._slot(episode) for episode in range(self.count)]
        self.results: dict[int, EpisodeResult] = {}
        self._idle = np.zeros(latent_dim, np.float32)

    @property
    def done(self) -> bool:
        """Whether every episode has its result."""
        return len(self.results) == self.settings.episodes

    def latents(self, observations: np.ndarray) -> np.ndarray:
        """Return skills `(N, K)` for observations `(N, D)`."""
        pairs = zip(self.slots, observations, strict=True)
        return np.stack([self.policy.latent(row, slot.rng) if slot else self._idle for slot, row in pairs])

    def record(self, step: VectorStep) -> None:
        """Add the rewards of one skill and record the episodes that ended with it."""
        ended = step.ended
        for index, slot in enumerate(self.slots):
            if slot is None:
                continue
            slot.return_ += float(step.reward[index])
            slot.length += int(step.steps[index])
            if ended[index]:
                metrics = step.metrics[index] or {}
                result = EpisodeResult(slot.episode, slot.return_, slot.length, metrics)
                self.results[slot.episode] = result
                self.slots[index] = self._slot(slot.episode + self.count)

    def note(self) -> str:
        """Return the running mean of the return, for the progress bar."""
        if not self.results:
            return ""
        return f"return {np.mean([result.return_ for result in self.results.values()]):.2f}"

    def _slot(self, episode: int) -> _Slot | None:
        if episode >= self.settings.episodes:
            return None
        return _Slot(episode, episode_generator(self.settings.seed, episode))
