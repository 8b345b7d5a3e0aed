"""Transitions of the running episodes, kept back until their returns are known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from spirl_cli.monitor.checkpoint import State

Array = NDArray[np.float32]


class Transitions(NamedTuple):
    """T transitions: observations `(T, D)`, latents `(T, K)`, rewards `(T,)`, successors `(T, D)`, terminals `(T,)`."""

    states: Array
    latents: Array
    rewards: Array
    next_states: Array
    terminals: Array


class RunningEpisodes:
    """One list of transitions per environment.

    Args:
        count: number of environments N.
    """

    def __init__(self, count: int) -> None:
        self._running: list[list[Transitions]] = [[] for _ in range(count)]

    def add(self, transitions: Transitions) -> None:
        """Append one transition to each of the N episodes."""
        for index, episode in enumerate(self._running):
            episode.append(Transitions(*(np.array(field[index : index + 1], np.float32) for field in transitions)))

    def finish(self, index: int) -> Transitions:
        """Return all transitions of an environment's episode, and begin a new one."""
        episode, self._running[index] = self._running[index], []
        return _joined(episode)

    def state(self) -> State:
        """Return the unfinished episodes, for a checkpoint."""
        tensors = {
            f"running/{index}/{name}": torch.from_numpy(field)
            for index, episode in enumerate(self._running)
            if episode
            for name, field in _joined(episode)._asdict().items()
        }
        return State(tensors=tensors)

    def restore(self, state: State) -> None:
        """Restore the unfinished episodes from `state`."""
        for index in range(len(self._running)):
            names = [f"running/{index}/{name}" for name in Transitions._fields]
            if names[0] in state.tensors:
                fields = [state.tensors[name].numpy() for name in names]
                steps = range(len(fields[0]))
                self._running[index] = [Transitions(*(field[t : t + 1] for field in fields)) for t in steps]


def _joined(episode: list[Transitions]) -> Transitions:
    return Transitions(*(np.concatenate(fields) for fields in zip(*episode, strict=True)))


def returns_to_go(rewards: Array, discount: float) -> Array:
    """Return Σ_k γ^k·R_{t+k} over the rest of the episode for rewards `(T,)`, `(T,)`."""
    returns = np.zeros(len(rewards), np.float64)
    following = 0.0
    for step in range(len(rewards) - 1, -1, -1):
        following = float(rewards[step]) + discount * following
        returns[step] = following
    return returns.astype(np.float32)
