"""Signs in the metrics of `train-rl` that a run goes wrong, each with a sentence that says what to try."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from spirl_cli.evaluation.statistics import Estimate, interval_text
from spirl_cli.recipe.sections.rl import TrainRLSection

Row = Mapping[str, float]
BEST = "training/best_return"  # of the recent episodes

# Chosen on the reference runs of kitchen, maze and blocks, which none of them may name, and on runs that collapsed:
# alpha .57 and rising while a robot hand forgot its prior, values of 59 where no return exceeds 4.
LASTING = 5  # rows in a row that must show a sign
HIGH_ALPHA = 25.0  # times the first alpha
FAR = 3.0  # times δ
IMPOSSIBLE = 1.5  # times the largest return of any training episode
EPISODES = 20  # that the first mean must rest on
DOUBT = 3.0  # standard errors by which two means must differ
REWARDLESS_SHARE = 0.3  # of the steps, after which it is worth a word that nothing was earned


_CAUSES = {
    "alpha": "alpha rose until the penalty outweighed the reward",
    "divergence": "the policy went too far from the prior",
    "values": "critics promised more than any episode has earned",
    "reward": "no reward was found",
}


@dataclass(frozen=True)
class Sign:
    """One kind of trouble and what to say about it."""

    kind: str
    text: str


class Watch:
    """Looks at one row of metrics after the other.

    Args:
        section: the recipe's `train_rl`.
        rows: those of earlier sessions of the run.
    """

    def __init__(self, section: TrainRLSection, rows: Sequence[Row] = ()) -> None:
        self.section = section
        self.said: dict[str, str] = {}
        self._rows: list[Row] = []
        for row in rows:
            self.look(row)

    @property
    def findings(self) -> tuple[str, ...]:
        """All that was said in this run, earlier sessions included."""
        return tuple(self.said.values())

    def verdict(self, had: Estimate, has: Estimate, best: str) -> tuple[str, ...]:
        """Return the findings of a run whose last episodes are worse than the first ones.

        The last finding says so and names the likely cause. It replaces what was said of a decline in between.

        Args:
            had: return of the first training episodes, which were those of the prior.
            has: return of the last ones.
            best: what is said about the best weights.
        """
        if self.section.initial_policy != "prior":
            return self.findings
        causes = [_CAUSES[kind] for kind in self.said if kind in _CAUSES]
        cause = (
            " and ".join(causes) or "no other sign was seen, so perhaps more updates or a larger δ than rewards bear"
        )
        signs = [text for kind, text in self.said.items() if kind != "decline"]
        return (
            *signs,
            f"the last training episodes earn {has.mean:.3g} {interval_text(has)}, less than the {had.mean:.3g} "
            f"{interval_text(had)} of the first ones, which were the prior's: learning has lost what the prior had. "
            f"Likely cause: {cause}. {best}Try a smaller train_rl.policy_learning_rate or a smaller "
            "train_rl.target_divergence",
        )

    def look(self, row: Row) -> list[str]:
        """Return what is to be said about a new row, each kind once in a run.

        Args:
            row: `step` and the metrics.
        """
        self._rows.append(row)
        new = [sign for sign in self._signs() if sign.kind not in self.said]
        self.said.update((sign.kind, sign.text) for sign in new)
        return [sign.text for sign in new]

    def _signs(self) -> Iterator[Sign]:
        """Yield what the rows show, the newest last."""
        yield from self._alpha()
        yield from self._divergence()
        yield from self._values()
        yield from self._rewards()
        yield from self._decline()

    def _alpha(self) -> Iterator[Sign]:
        limit = HIGH_ALPHA * self._first_alpha
        if self._lasts(lambda row: row.get("learner/alpha", 0.0) > limit) and self._rises("learner/alpha"):
            alpha = self._rows[-1]["learner/alpha"]
            yield Sign(
                "alpha",
                f"alpha has risen to {alpha:.3g} and goes on rising: the policy strays farther from the prior than "
                f"δ = {self.section.target_divergence:g} nats allows, and the penalty outweighs the reward. Try "
                "fewer train_rl.updates_per_step, a larger train_rl.target_divergence, or train_rl.max_reward",
            )

    @property
    def _first_alpha(self) -> float:
        """The temperature at the start; infinite while it is not found."""
        if self.section.initial_alpha != "auto":
            return self.section.initial_alpha
        begun = self.section.critic_warmup or 0
        found = (row["learner/alpha"] for row in self._rows if row.get("learner/updates", 0.0) > begun)
        return next(found, math.inf)

    def _divergence(self) -> Iterator[Sign]:
        delta = self.section.target_divergence
        if self.section.regularizer == "prior" and self._lasts(
            lambda row: row.get("learner/penalty", 0.0) > FAR * delta
        ):
            yield Sign(
                "divergence",
                f"the policy is {self._rows[-1]['learner/penalty']:.3g} nats away from the prior, and δ is {delta:g}: "
                "alpha cannot hold it. Raise train_rl.alpha_learning_rate, or lower train_rl.policy_learning_rate",
            )

    def _values(self) -> Iterator[Sign]:
        """Compare values with the returns of training episodes, where these are never negative."""
        best = [row[BEST] for row in self._rows if BEST in row]
        if not best or min(self._returns()) < 0 or max(best) <= 0:
            return
        largest = max(best) * self._scale
        limit = IMPOSSIBLE * max(largest, self._largest_reward())
        if self._lasts(lambda row: row.get("learner/value", 0.0) > limit):
            yield Sign(
                "values",
                f"critics promise {self._rows[-1]['learner/value']:.3g}, and no training episode has earned more "
                f"than {largest:.3g}: they learn from their own guesses. Say what a skill can earn at most with "
                "train_rl.max_reward, or use more train_rl.critics",
            )

    @property
    def _scale(self) -> float:
        """What rewards are multiplied by, which a row says where the learner finds it."""
        scale = self.section.reward_scale
        return self._rows[-1].get("learner/reward_scale", 1.0) if scale == "auto" else float(scale or 1.0)

    def _largest_reward(self) -> float:
        """Return what the recipe says that can be earned from one skill."""
        return (self.section.max_reward or 0.0) * self._scale

    def _rewards(self) -> Iterator[Sign]:
        row, returns = self._rows[-1], self._returns()
        late = row["step"] >= REWARDLESS_SHARE * self.section.steps
        if late and len(returns) >= LASTING and not any(returns):
            yield Sign(
                "reward",
                f"no training episode has earned anything in {row['step']:,.0f} steps: there is nothing to learn from "
                "but the prior. Look at its rollouts with `spirl evaluate --prior-only`, and at env.reward and "
                "env.success_key",
            )

    def _decline(self) -> Iterator[Sign]:
        """Compare the last episodes with the first ones, which are the prior's."""
        means = [row for row in self._rows if row.get("training/episodes", 0.0) >= EPISODES]
        if len(means) < 4 * LASTING or self.section.initial_policy != "prior":
            return
        had, has = means[0]["training/return"], means[-1]["training/return"]
        errors = [row["training/return_spread"] / math.sqrt(row["training/episodes"]) for row in (means[0], means[-1])]
        if had - has > DOUBT * math.hypot(*errors) > 0:
            yield Sign(
                "decline",
                f"training episodes earn {has:.3g}, less than the {had:.3g} of the first ones, which were those of "
                "the prior: learning loses what the prior had. The best weights are kept (`--step best`); try a "
                "smaller train_rl.policy_learning_rate or a smaller train_rl.target_divergence",
            )

    def _returns(self) -> list[float]:
        return [row["training/return"] for row in self._rows if "training/return" in row]

    def _lasts(self, shows: Callable[[Row], bool]) -> bool:
        return len(self._rows) >= LASTING and all(shows(row) for row in self._rows[-LASTING:])

    def _rises(self, name: str) -> bool:
        values = [row.get(name, 0.0) for row in self._rows[-LASTING:]]
        return values[-1] > values[0]
