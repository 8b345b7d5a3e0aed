"""Replays the first episodes of a rollout and notes values: equal seeds give equal episodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np

from spirl_cli.domains.section import EnvSection
from spirl_cli.envs.make import make_env
from spirl_cli.envs.replayable import ReplayableEnv
from spirl_cli.envs.skill_env import SkillEnv
from spirl_cli.envs.watched import WatchedEnv
from spirl_cli.evaluation.rollouts import RolloutSettings, play
from spirl_cli.evaluation.seeds import environment_seed, episode_generator
from spirl_cli.inference.decoders import SkillDecoder
from spirl_cli.inference.policies import SkillPolicy


class ObservationNotes:
    """A watcher that notes a part of every observation.

    Args:
        note: the part `(n,)` of an observation `(D,)`; must be a copy.
    """

    def __init__(self, note: Callable[[np.ndarray], np.ndarray]) -> None:
        self._note = note
        self._noted: list[np.ndarray] = []

    def began(self, env: gym.Env[Any, Any], observation: Any) -> None:
        """Forget the episode before and note the first observation."""
        self._noted = [self._note(observation)]

    def stepped(
        self, env: gym.Env[Any, Any], action: Any, observation: Any, reward: float, terminated: bool, truncated: bool
    ) -> None:
        """Note the observation."""
        self._noted.append(self._note(observation))

    def episode(self) -> np.ndarray:
        """Return the values noted in the running episode, `(T+1, n)`."""
        return np.array(self._noted)


def replay(
    env: gym.Env[Any, Any],
    decoder: SkillDecoder,
    policy: SkillPolicy,
    settings: RolloutSettings,
    episodes: int,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[int]:
    """Play the episodes 0 … n-1 of `rollout` in one environment; yield each number after its episode.

    Args:
        env: environment with selected observations; it is closed in the end.
        decoder: the skills.
        policy: chooses the skills.
        settings: settings of the rollout.
        episodes: n, number of episodes.
        stop: asked before every skill.

    Raises:
        Interrupted: `stop` said True.
    """
    numbered = ReplayableEnv(env, environment_seed(settings.seed))
    skills = SkillEnv(numbered, decoder)
    try:
        for episode in range(episodes):
            play(skills, policy, episode_generator(settings.seed, episode), stop=stop)
            yield episode
    finally:
        skills.close()


def noted_episodes(
    section: EnvSection,
    decoder: SkillDecoder,
    policy: SkillPolicy,
    settings: RolloutSettings,
    episodes: int,
    note: Callable[[np.ndarray], np.ndarray],
    stop: Callable[[], bool] = lambda: False,
) -> list[np.ndarray]:
    """Return the values that `note` takes from the observations of the first episodes, `(T+1, n)` each.

    Raises:
        Interrupted: `stop` said True.
    """
    notes = ObservationNotes(note)
    env = WatchedEnv(make_env(section), notes)
    count = min(episodes, settings.episodes)
    return [notes.episode() for _ in replay(env, decoder, policy, settings, count, stop=stop)]
