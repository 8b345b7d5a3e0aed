"""The best weights besides the last ones, and what is said where the end of a run is worse than its beginning."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from spirl_cli.evaluation.statistics import Estimate
from spirl_cli.monitor.parts import Parts
from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.rl.best import BestWeights, decline
from spirl_cli.rl.watch import Watch
from tests.support.rl_data import make_learning, make_sac

BLOCKS = (1.0, 3.0, 2.0)  # mean return of the episodes after each block


def watched(best: BestWeights, blocks: tuple[float, ...], first: int = 0) -> list[torch.Tensor]:
    """Let 20 episodes end per block, and change the weights after each; returns the first weight at each look."""
    weight = next(iter(best.policy_in_training.parameters()))
    met = []
    for number, mean in enumerate(blocks, start=first):
        for _ in range(10):
            best.look(1000 * (number + 1), 2, [mean] * 100, trained=number > 0)
        met.append(weight.detach().clone())
        with torch.no_grad():
            weight.add_(1.0)
    return met


def test_the_weights_of_the_best_block_are_kept() -> None:
    best = BestWeights(make_sac().policy)
    met = watched(best, BLOCKS)
    assert (best.step, best.mean) == (2000, 3.0)
    assert next(iter(best.policy().parameters())).equal(met[1])
    assert best.first == [1.0] * 20


def test_it_goes_on_from_a_checkpoint_as_if_nothing_had_happened(tmp_path: Path) -> None:
    whole, begun, again = (BestWeights(make_sac().policy) for _ in range(3))
    watched(whole, BLOCKS)
    watched(begun, BLOCKS[:1])
    Parts(again.part()).restore(Parts(begun.part()).state(tmp_path), tmp_path)
    again.policy_in_training.load_state_dict(begun.policy_in_training.state_dict())
    watched(again, BLOCKS[1:], first=1)
    one, other = (Parts(best.part()).state(tmp_path) for best in (whole, again))
    assert one.scalars == other.scalars and one.tensors.keys() == other.tensors.keys()
    assert all(tensor.equal(other.tensors[name]) for name, tensor in one.tensors.items())


def test_fewer_than_twenty_episodes_tell_nothing() -> None:
    best = BestWeights(make_sac().policy)
    best.look(1000, 19, [1.0] * 19, trained=False)
    assert best.step is None and len(best.first) == 19


def test_a_learner_looks_at_every_episode() -> None:
    learning = make_learning(warmup_steps=10_000)
    while len(learning.finished) < 24:
        learning.round()
    learning.vector.close()
    assert learning.best.first == learning.recent_returns
    assert learning.best.step == 500  # after 20 episodes of 25 steps


@pytest.mark.parametrize(("last", "worse"), [([0.0] * 15 + [1.0] * 5, True), ([1.0] * 14 + [0.0] * 6, False)])
def test_a_decline_is_one_beyond_the_intervals(last: list[float], worse: bool) -> None:
    first = [1.0] * 16 + [0.0] * 4
    assert (decline(first, last) is not None) == worse
    assert decline(first[:10], [0.0] * 20) is None


def test_the_verdict_names_the_cause_and_where_the_best_weights_are() -> None:
    watch = Watch(TrainRLSection(steps=100_000))
    watch.said.update(alpha="alpha has risen", decline="training episodes earn less")
    had, has = Estimate(0.8, 0.6, 0.9, ""), Estimate(0.2, 0.1, 0.4, "")
    sign, verdict = watch.verdict(had, has, "The best weights, at 2,000 steps, are kept. ")
    assert sign == "alpha has risen" and "0.2 [0.10, 0.40]" in verdict and "0.8 [0.60, 0.90]" in verdict
    assert "alpha rose" in verdict and "at 2,000 steps" in verdict
    scratch = Watch(TrainRLSection(steps=100_000, initial_policy="scratch"))
    assert scratch.verdict(had, has, "") == ()
