"""Keeps the weights whose training episodes were best, besides the last ones, and the returns of the first policy."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from spirl_cli.evaluation.statistics import Estimate, estimate, is_below
from spirl_cli.monitor.checkpoint import State
from spirl_cli.monitor.parts import Part
from spirl_cli.skills.mixture import MixtureNetwork
from spirl_cli.skills.prior import GaussianNetwork

Policy = GaussianNetwork | MixtureNetwork
BLOCK = 20  # episodes between two looks, and that a first mean must rest on
NAME = "best"  # in a checkpoint


class BestWeights:
    """The best policy so far, by the mean return of recent training episodes.

    It looks after every `BLOCK` episodes, so that it depends neither on the length of a run nor on where it was
    interrupted. The mean is that of the policies of the last episodes, and the largest of many means is a lucky one:
    an evaluation tells what the weights are worth.

    Args:
        policy: the policy in training.

    Attributes:
        first: returns of the first episodes: all of the first policy, but at least `BLOCK`.
        step: at which the best weights were met; None before the first look.
        mean: return of the recent episodes at that step.
        policy_in_training: the policy.
    """

    def __init__(self, policy: Policy) -> None:
        self.first: list[float] = []
        self.step: int | None = None
        self.mean = 0.0
        self.policy_in_training, self._ended = policy, 0
        self._weights: dict[str, torch.Tensor] = {}

    def look(self, step: int, ended: int, recent: Sequence[float], trained: bool) -> None:
        """Look at the episodes that ended in a round.

        Args:
            step: environment steps so far.
            ended: number of episodes that ended in this round.
            recent: returns of the recent episodes, the newest last.
            trained: whether the policy was updated already.
        """
        if ended and (not trained or len(self.first) < BLOCK):
            self.first += recent[-ended:]
        self._ended += ended
        if self._ended < BLOCK:
            return
        self._ended = 0
        mean = sum(recent) / len(recent)
        if self.step is None or mean > self.mean:
            self.step, self.mean = step, mean
            self._weights = {
                name: value.detach().cpu().clone() for name, value in self.policy_in_training.state_dict().items()
            }

    def policy(self) -> Policy:
        """Return a copy of the policy with the best weights."""
        best = copy.deepcopy(self.policy_in_training).cpu()
        best.load_state_dict(self._weights)
        return best

    def part(self) -> Part:
        """Return its part of a checkpoint, which older checkpoints lack."""
        return Part(NAME, lambda _: self._state(), lambda state, _: self._restore(state))

    def _state(self) -> State:
        tensors = {f"{NAME}/{name}": value for name, value in self._weights.items()}
        scalars = {"first": self.first, "step": self.step, "mean": self.mean, "ended": self._ended}
        return State(tensors, {NAME: scalars})

    def _restore(self, state: State) -> None:
        saved = state.scalars.get(NAME)
        if saved is None:
            return
        self.first, self.step, self.mean, self._ended = (saved[key] for key in ("first", "step", "mean", "ended"))
        marked = f"{NAME}/"
        self._weights = {
            name.removeprefix(marked): value for name, value in state.tensors.items() if name.startswith(marked)
        }


def decline(first: Sequence[float], last: Sequence[float]) -> tuple[Estimate, Estimate] | None:
    """Return the mean returns of the first and the last episodes where their intervals tell that the last are worse."""
    if min(len(first), len(last)) < BLOCK:
        return None
    had, has = estimate([first]), estimate([last])
    return (had, has) if is_below(has, had) else None
