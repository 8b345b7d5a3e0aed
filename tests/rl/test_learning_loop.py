"""The resumable learning loop."""

from __future__ import annotations

import math
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

from spirl_cli.envs.vector import LocalVector, VectorStep
from spirl_cli.errors import DivergedError
from spirl_cli.rl.loop import SkillLearning
from tests.support.rl_data import LATENT, make_learning
from tests.support.tensors import equal, weights


def policy_weights(learning: SkillLearning) -> list[torch.Tensor]:
    return weights(learning.sac.policy)


class TestLoop:
    def test_steps_count_the_warm_up_and_updates_follow_the_ratio(self) -> None:
        learning = make_learning()
        for _ in range(15):
            learning.round()
        # 25-step episodes of 3-step skills: eight full skills and one step
        assert learning.steps == learning.simulated == 2 * (25 + 6 * 3)
        assert learning.updates == 10  # rounds after 30 steps (5 rounds), 2 skills each, one update per two skills
        assert len(learning.replay) == 30

    def test_parity_leaves_the_warm_up_off_the_axis(self) -> None:
        learning = make_learning(parity={"uncounted_warmup": True})
        for _ in range(6):
            learning.round()
        assert (learning.simulated, learning.steps) == (36, 6)

    @pytest.mark.parametrize(
        ("parity", "terminal", "reward"),
        [({}, 0.0, 5.0), ({"terminal_timeouts": True}, 1.0, 5.0), ({"drop_timeout_reward": True}, 0.0, 3.0)],
    )
    def test_time_outs_are_bootstrapped_unless_parity_asks(
        self, parity: dict[str, bool], terminal: float, reward: float
    ) -> None:
        learning = make_learning(parity=parity)
        learning.states = np.zeros((2, 3), np.float32)
        learning._store(np.zeros((2, LATENT), np.float32), transition(truncated=True))
        row = learning.replay.rows[0]
        assert row[-1] == terminal and row[3 + LATENT] == reward

    def test_true_ends_are_terminal(self) -> None:
        learning = make_learning()
        learning.states = np.zeros((2, 3), np.float32)
        learning._store(np.zeros((2, LATENT), np.float32), transition(truncated=False))
        assert learning.replay.rows[0][-1] == 1.0

    def test_parity_stores_the_late_observation(self) -> None:
        learning = make_learning(parity={"late_observation": True})
        learning.states = np.zeros((2, 3), np.float32)
        learning._store(np.zeros((2, LATENT), np.float32), transition(truncated=False))
        assert learning.replay.rows[0][:3].tolist() == [4.0, 4.0, 4.0]

    @pytest.mark.parametrize("rounds", [0, 3, 13])
    def test_restored_learning_goes_on_identically(self, tmp_path: Path, rounds: int) -> None:
        """Saved in warm-up, in mid-episode, or before the first step."""
        whole, half, rest = make_learning(), make_learning(), make_learning()
        for _ in range(rounds):
            half.round()
        rest.restore(half.state(tmp_path), tmp_path)
        for _ in range(12):
            rest.round()
        for _ in range(rounds + 12):
            whole.round()
        assert rest.exact and rest.steps == whole.steps
        assert equal(policy_weights(whole), policy_weights(rest))
        assert whole.metrics() == rest.metrics()

    def test_same_seed_same_weights(self) -> None:
        runs = [make_learning() for _ in range(2)]
        for learning in runs:
            for _ in range(12):
                learning.round()
        assert equal(*map(policy_weights, runs))

    def test_a_policy_that_is_not_finite_stops_the_run(self) -> None:
        learning = make_learning()
        learning.round()
        with torch.no_grad():
            learning.sac.policy.network[-1].bias.fill_(math.nan)
        with pytest.raises(DivergedError, match="not a finite number"):
            learning.round()

    def test_vector_is_an_ordinary_gymnasium_vector(self) -> None:
        vector = make_learning().vector
        assert isinstance(vector, LocalVector) and isinstance(vector, gym.vector.VectorEnv)


def transition(truncated: bool) -> VectorStep:
    """A step of two environments that both end, reward 5 of which 2 came last."""
    ended, none = np.array([True, True]), np.array([False, False])
    return VectorStep(
        observation=np.ones((2, 3), np.float32),
        next_observation=np.full((2, 3), 2, np.float32),
        reward=np.array([5.0, 5.0]),
        terminated=none if truncated else ended,
        truncated=ended if truncated else none,
        steps=np.array([3, 3]),
        last_reward=np.array([2.0, 2.0]),
        late_observation=np.full((2, 3), 4, np.float32),
        episode=np.array([0, 1]),
        next_episode=np.array([2, 3]),
        metrics=({}, {}),
    )


def test_scaled_rewards_are_learned_from_and_true_ones_are_shown() -> None:
    plain, scaled = make_learning(), make_learning(reward_scale=0.5)
    for learning in (plain, scaled):
        for _ in range(3):
            learning.round()
        learning.vector.close()
    reward = plain.replay.state_dim + plain.replay.latent_dim
    kept = slice(None, len(plain.replay))
    np.testing.assert_allclose(scaled.replay.rows[kept, reward], 0.5 * plain.replay.rows[kept, reward], rtol=1e-6)
    assert np.any(plain.returns) and np.array_equal(plain.returns, scaled.returns)
