"""The kitchen's rewards: which subtasks of an episode are paid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal


class Subtasks:
    """Pays each subtask of an episode once: the reward of a step (docs/kitchen.md#reward-semantics).

    Args:
        tasks: names in the order of the recipe.
        order: `any` pays each subtask once, the first time that it is reached. `in-order`
            goes through the unpaid subtasks at every step, pays those whose object is at its goal
            *at that moment*, and stops at the first that is not.

    Attributes:
        paid: 1.0 for every subtask that was paid in this episode, else 0.0, in the recipe's order.
    """

    def __init__(self, tasks: Sequence[str], order: Literal["any", "in-order"]) -> None:
        self._tasks = tuple(tasks)
        self._in_order = order == "in-order"
        self.paid: dict[str, float] = {}
        self.reset()

    def reset(self) -> None:
        """Forget what was paid: a new episode starts."""
        self.paid = dict.fromkeys(self._tasks, 0.0)

    def pay(self, reached: Callable[[str], bool]) -> float:
        """Return the step's reward: the number of subtasks that it pays.

        Args:
            reached: says whether a subtask's object is at its goal in the present, true state.
        """
        reward = 0.0
        for task, paid in self.paid.items():
            if paid:
                continue
            if reached(task):
                self.paid[task] = 1.0
                reward += 1.0
            elif self._in_order:
                break
        return reward

    @property
    def complete(self) -> bool:
        """Whether every subtask was paid."""
        return all(self.paid.values())

    def metrics(self) -> dict[str, float]:
        """Return `subtasks` (how many were paid) and 0 or 1 for each subtask by name."""
        return {"subtasks": sum(self.paid.values()), **self.paid}
