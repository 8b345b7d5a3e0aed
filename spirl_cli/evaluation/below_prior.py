"""Says where an agent is worse than the prior that it started from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spirl_cli.evaluation.results import ResultRow
from spirl_cli.evaluation.statistics import interval_text, is_below

UNKNOWN_CAUSE = "no sign was seen in training, so perhaps too many updates or too large a δ"
REMEDY = (
    "a smaller train_rl.policy_learning_rate, fewer train_rl.updates_per_step or a smaller train_rl.target_divergence"
)


def below_prior(
    rows: Sequence[ResultRow], yardsticks: Sequence[ResultRow], method: str, signs: Sequence[str], reference: str
) -> Iterator[str]:
    """Yield a sentence if an agent's interval lies below that of its prior, for the first metric where one does.

    Args:
        rows: rows of the evaluation.
        yardsticks: what it compares with; the prior is played with the sampled policy.
        method: name of the agent's method in its rows.
        signs: what was said while the agent was trained.
        reference: of the agent.
    """
    priors = {row.metric: row for row in yardsticks if row.policy == "sampled" and row.method != "no-prior"}
    own = [row for row in rows if row.method == method and row.policy == "sampled" and row.env_steps > 0]
    for metric, prior in priors.items():
        curve = sorted((row for row in own if row.metric == metric), key=lambda row: row.env_steps)
        below = [row for row in curve if is_below(row, prior)]
        if below:
            yield _sentence(below, curve[-1], prior, signs, reference)
            return


def _sentence(
    below: Sequence[ResultRow], last: ResultRow, prior: ResultRow, signs: Sequence[str], reference: str
) -> str:
    worst = last if last in below else min(below, key=lambda row: row.mean)
    steps = ", ".join(f"{row.env_steps:,}" for row in below)
    where = "at the end" if worst is last else f"for a while (at {steps} steps), not at the end"
    cause = f"Training said: {signs[0]}" if signs else f"Likely cause: {UNKNOWN_CAUSE}"
    return (
        f"the agent is below its own prior {where}: {worst.metric} {worst.mean:.3g} {interval_text(worst)} after "
        f"{worst.env_steps:,} steps, and {prior.mean:.3g} {interval_text(prior)} at 0: learning lost what the prior "
        f"had. {cause}. Look at the best weights with `spirl evaluate --agent {reference} --step best`, and try "
        f"{REMEDY}"
    )
