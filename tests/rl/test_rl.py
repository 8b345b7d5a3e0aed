"""The learner's mathematics, replay memory and the resumable learning loop."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from spirl_cli.domains.sections import GymnasiumSection
from spirl_cli.envs.vector import LocalVector, VectorStep, make_vector
from spirl_cli.errors import DivergedError, UsageError
from spirl_cli.inference.densities import squash as numpy_squash
from spirl_cli.recipe.sections.rl import FourierSection, ObjectsSection, TrainRLSection
from spirl_cli.rl.critic_inputs import FourierFeatures, ObjectFeatures
from spirl_cli.rl.critics import CriticEnsemble
from spirl_cli.rl.loop import SkillLearning
from spirl_cli.rl.replay import Batch, Replay
from spirl_cli.rl.running_episodes import returns_to_go
from spirl_cli.rl.sac import SAC
from spirl_cli.rl.squash import log_det_squash, squash
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import GaussianNetwork, PriorShape

STATE, LATENT, BATCH = 4, 2, 8


def make_sac(seed: int = 0, state_dim: int = STATE, latent_dim: int = LATENT, **changes: Any) -> SAC:
    torch.manual_seed(seed)
    normalizer = Normalizer(torch.zeros(state_dim), torch.ones(state_dim))
    prior = GaussianNetwork(normalizer, PriorShape(latent_dim, width=16, depth=1))
    section = TrainRLSection.model_validate({"critic_width": 16, "batch_size": BATCH, **changes})
    return SAC(section, prior, latent_dim, torch.Generator().manual_seed(seed))


def make_batch(terminal: float = 0.0, reward: float = 1.0) -> Batch:
    generator = torch.Generator().manual_seed(1)
    states, next_states = torch.randn(2, BATCH, STATE, generator=generator)
    latents = torch.randn(BATCH, LATENT, generator=generator)
    return Batch(states, latents, torch.full((BATCH,), reward), next_states, torch.full((BATCH,), terminal))


class TestObjective:
    def test_policy_starts_as_the_prior(self) -> None:
        sac = make_sac(min_log_sigma=-10.0)
        divergence = sac.choices(torch.randn(BATCH, STATE)).penalty
        torch.testing.assert_close(divergence, torch.zeros(BATCH))

    def test_policy_from_scratch_differs_from_the_prior(self) -> None:
        divergence = make_sac(initial_policy="scratch").choices(torch.randn(BATCH, STATE)).penalty
        assert divergence.min() > 0

    def test_terminal_states_have_no_future(self) -> None:
        torch.testing.assert_close(make_sac().target_value(make_batch(terminal=1.0)), torch.ones(BATCH))

    def test_target_is_the_soft_bellman_backup(self) -> None:
        """y = R + γ·(min_i Q'_i(s', z') − α·D(s')), with the closed-form D."""
        sac, batch = make_sac(initial_policy="scratch", initial_alpha=0.5, discount=0.9), make_batch()
        state = sac.generator.get_state()
        target = sac.target_value(batch)
        sac.generator.set_state(state)
        policy, prior = sac.policy(batch.next_states), sac.prior(batch.next_states)
        latent = policy.sample(sac.generator)
        divergence = policy.kl(prior._replace(log_sigma=prior.log_sigma.clamp(min=-2.0))).sum(-1)
        expected = 1.0 + 0.9 * (sac.target_critics(batch.next_states, latent).min(0).values - 0.5 * divergence)
        torch.testing.assert_close(target, expected.detach())

    @pytest.mark.parametrize(("divergence", "rises"), [(9.0, True), (1.0, False)])
    def test_alpha_rises_above_the_target_divergence_and_falls_below(self, divergence: float, rises: bool) -> None:
        sac = make_sac(target_divergence=5.0)
        sac.alpha_loss(torch.tensor(divergence)).backward()
        assert sac.log_alpha.grad is not None
        assert (float(sac.log_alpha.grad) < 0) == rises  # a step goes against the gradient

    def test_a_rate_of_zero_keeps_alpha(self) -> None:
        sac = make_sac(alpha_learning_rate=0.0)
        sac.update(make_batch())
        assert float(sac.alpha.detach()) == pytest.approx(sac.section.initial_alpha)

    def test_plain_sac_uses_minus_the_action_dimension_as_target_entropy(self) -> None:
        assert make_sac(regularizer="entropy").target_penalty == LATENT
        assert make_sac(regularizer="entropy", target_entropy=-7.0).target_penalty == 7.0

    def test_clamp_spares_the_policy_gradient(self) -> None:
        """Far from the prior the policy must still be pulled back; the published clamp forgets it."""
        pulls = []
        for clamp in (False, True):
            sac = make_sac(initial_alpha=1.0, max_gradient_norm=None, parity={"clamp_policy_divergence": clamp})
            with torch.no_grad():
                sac.policy.network[-1].bias[:LATENT] += 1000.0
                for parameter in sac.critics.parameters():
                    parameter.zero_()
            sac.policy_loss(make_batch())[0].backward()
            pulls.append(float(sac.policy.network[-1].bias.grad[:LATENT].abs().sum()))  # type: ignore[union-attr]
        assert pulls[0] > 0 and pulls[1] == 0

    def test_prior_and_targets_are_not_trained(self) -> None:
        sac = make_sac()
        prior = [p.clone() for p in sac.prior.parameters()]
        targets = [p.clone() for p in sac.target_critics.parameters()]
        sac.update(make_batch())
        assert all(torch.equal(a, b) for a, b in zip(prior, sac.prior.parameters(), strict=True))
        rate = sac.section.target_rate
        for old, new, online in zip(targets, sac.target_critics.parameters(), sac.critics.parameters(), strict=True):
            torch.testing.assert_close(new, (1 - rate) * old + rate * online)

    def test_critics_learn_the_value_of_terminal_rewards(self) -> None:
        sac = make_sac(critic_learning_rate=1e-2)
        for _ in range(300):
            sac.update(make_batch(terminal=1.0, reward=3.0))
        batch = make_batch()
        assert sac.critics(batch.states, batch.latents).mean().item() == pytest.approx(3.0, abs=0.1)

    def test_policy_finds_the_better_skill_within_the_divergence(self) -> None:
        """Reward −(z₀ − 2)²: the policy moves towards 2, about as far as δ allows."""
        rates = {"critic_learning_rate": 3e-3, "policy_learning_rate": 3e-3, "alpha_learning_rate": 3e-2}
        sac = make_sac(target_divergence=0.5, initial_alpha=0.5, min_log_sigma=-10.0, **rates)
        generator = torch.Generator().manual_seed(5)
        for _ in range(600):
            states = torch.randn(64, STATE, generator=generator)
            latents = torch.from_numpy(sac.act(states.numpy()))
            rewards = -(latents[:, 0] - 2.0).square()
            sac.update(Batch(states, latents, rewards, states, torch.ones(64)))
        states = torch.randn(256, STATE)
        moved = (sac.policy(states).mean - sac.prior(states).mean)[:, 0].mean()
        divergence = sac.choices(states).penalty
        assert moved > 0.3
        assert 0.1 < divergence.mean() < 1.5


class TestSquash:
    @pytest.mark.parametrize("kind", ["none", "tanh", "consistent-tanh"])
    def test_density_correction_against_finite_differences(self, kind: str) -> None:
        u = torch.linspace(-3, 3, 13, dtype=torch.float64).unsqueeze(1)
        slope = (squash(u + 1e-6, kind) - squash(u - 1e-6, kind)) / 2e-6
        torch.testing.assert_close(
            log_det_squash(u, kind), slope.log().squeeze(1), atol=1e-6, rtol=1e-5, check_dtype=False
        )

    @pytest.mark.parametrize("kind", ["none", "tanh", "consistent-tanh"])
    def test_numpy_and_torch_agree(self, kind: str) -> None:
        u = torch.linspace(-3, 3, 13)
        np.testing.assert_allclose(numpy_squash(u.numpy(), kind), squash(u, kind).numpy(), rtol=1e-6)

    def test_gain_around_zero(self) -> None:
        small = torch.tensor([1e-4])
        assert squash(small, "tanh").item() == pytest.approx(2e-4, rel=1e-3)
        assert squash(small, "consistent-tanh").item() == pytest.approx(1e-4, rel=1e-3)


class TestCritics:
    @pytest.mark.parametrize("layer_norm", [False, True])
    def test_members_are_independent_networks(self, layer_norm: bool) -> None:
        critics = CriticEnsemble(Normalizer.identity(STATE), LATENT, 3, 16, 2, layer_norm)
        batch = make_batch()
        values = critics(batch.states, batch.latents)
        assert values.shape == (3, BATCH)
        for member in range(3):
            alone = CriticEnsemble(Normalizer.identity(STATE), LATENT, 1, 16, 2, layer_norm)
            own = {
                name: tensor if name.startswith("normalizer") else tensor[member : member + 1]
                for name, tensor in critics.state_dict().items()
            }
            alone.load_state_dict(own)
            torch.testing.assert_close(alone(batch.states, batch.latents)[0], values[member])

    @pytest.mark.parametrize("more", [False, True])
    def test_several_skills_in_a_state_have_the_values_and_gradients_of_each(self, more: bool) -> None:
        fourier = FourierSection.model_validate({"indices": [0], "wavelength": 2.0, "features": 3})
        objects = ObjectsSection.model_validate({"first": 1, "size": 3, "origin": [0], "lengths": [0.1], "width": 5})
        critics = CriticEnsemble(
            Normalizer.identity(STATE), LATENT, 2, 16, 2, True, fourier if more else None, objects if more else None
        )
        states = make_batch().states
        skills = torch.randn(3, BATCH, LATENT, requires_grad=True)
        together, apart = critics(states, skills), torch.stack([critics(states, each) for each in skills], dim=1)
        assert together.shape == (2, 3, BATCH)
        torch.testing.assert_close(together, apart)
        leaves = [skills, *critics.parameters()]
        gradients = (torch.autograd.grad(values.square().sum(), leaves) for values in (together, apart))
        for ours, theirs in zip(*gradients, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)

    def test_fourier_features_are_sines_and_cosines_of_the_chosen_numbers(self) -> None:
        torch.manual_seed(0)
        section = FourierSection.model_validate({"indices": [0, 2], "wavelength": 4.0, "features": 2000})
        waves = FourierFeatures(section, STATE)
        states = make_batch().states
        expected = [
            function(2 * math.pi * (states[:, 0] * x + states[:, 2] * y) / 4.0)
            for function in (torch.sin, torch.cos)
            for x, y in (waves.waves * 4.0 / (2 * math.pi)).T
        ]
        torch.testing.assert_close(waves(states), torch.stack(expected, 1), atol=1e-4, rtol=0)
        # so many waves make a Gaussian kernel: cos-similarity exp(-½ (2π d / wavelength)²)
        a, b = waves(torch.tensor([[0.3, 9.0, 1.0], [0.3, 5.0, 1.5]])) / math.sqrt(2000)
        assert float(a @ b) == pytest.approx(math.exp(-0.5 * (2 * math.pi * 0.5 / 4.0) ** 2), abs=0.05)

    def test_waves_enter_the_critics_and_their_checkpoint(self) -> None:
        fourier = {"indices": [0], "wavelength": 2.0, "features": 8}
        sac, other = make_sac(critic_fourier=fourier), make_sac(seed=1, critic_fourier=fourier)
        batch = make_batch()
        assert not torch.equal(sac.critics(batch.states, batch.latents), other.critics(batch.states, batch.latents))
        other.critics.load_state_dict(sac.critics.state_dict())
        torch.testing.assert_close(sac.critics(batch.states, batch.latents), other.critics(batch.states, batch.latents))
        assert sac.critics.network[0].weight.shape[1] == STATE + 16 + LATENT

    def test_objects_are_a_set(self) -> None:
        """Two places of the agent and four objects of three numbers: their order does not matter, their places do."""
        torch.manual_seed(0)
        section = ObjectsSection.model_validate(
            {"first": 2, "size": 3, "origin": ["0:2"], "lengths": [0.1, 1.0], "width": 5}
        )
        features = ObjectFeatures(section, 2, Normalizer(torch.full((14,), 0.3), torch.full((14,), 2.0)))
        states = torch.randn(6, 14)
        known = features(states)
        assert known.shape == (2, 6, 10) and not torch.equal(known[0], known[1])
        shuffled = torch.cat([states[:, :2], states[:, 2:].unflatten(1, (4, 3))[:, [2, 0, 3, 1]].flatten(1)], dim=1)
        torch.testing.assert_close(features(shuffled), known)
        moved = states.clone()
        moved[:, 5] += 0.01
        assert not torch.allclose(features(moved), known)

    def test_objects_see_their_distance_on_every_length(self) -> None:
        section = ObjectsSection.model_validate(
            {"first": 1, "size": 2, "origin": [0], "lengths": [0.1, 1.0], "width": 4}
        )
        features = ObjectFeatures(section, 1, Normalizer.identity(3))
        seen: list[torch.Tensor] = []
        features.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        features(torch.tensor([[0.5, 0.6, 7.0]]))
        expected = [0.6, 7.0, math.tanh(1.0), math.tanh(0.1)]
        torch.testing.assert_close(seen[0][0, 0], torch.tensor(expected))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"first": 14}, "does not end with objects"),
            ({"size": 5}, "does not end with"),
            ({"size": 1}, "more numbers"),
        ],
    )
    def test_a_state_without_such_objects_is_refused(self, change: dict[str, int], message: str) -> None:
        values = {"first": 2, "size": 3, "origin": ["0:2"], "lengths": [0.1], **change}
        with pytest.raises(UsageError, match=message):
            ObjectFeatures(ObjectsSection.model_validate(values), 2, Normalizer.identity(14))

    def test_objects_enter_the_critics_and_their_checkpoint(self) -> None:
        objects = {"first": 1, "size": STATE - 1, "origin": [0], "lengths": [0.1], "width": 8}
        sac, other = make_sac(critic_objects=objects), make_sac(seed=1, critic_objects=objects)
        batch = make_batch()
        other.critics.load_state_dict(sac.critics.state_dict())
        torch.testing.assert_close(sac.critics(batch.states, batch.latents), other.critics(batch.states, batch.latents))
        assert sac.critics.network[0].weight.shape[1] == STATE + 16 + LATENT
        before = [weight.clone() for weight in sac.critics.objects.parameters()]
        sac.update(batch)
        assert all(not torch.equal(old, new) for old, new in zip(before, sac.critics.objects.parameters(), strict=True))


def test_values_never_exceed_what_can_be_earned() -> None:
    free = make_sac(discount=0.9)
    bounded = make_sac(discount=0.9, max_reward=3.0, reward_scale=0.5)
    assert free.largest_value == math.inf
    assert bounded.largest_value == pytest.approx(3.0 * 0.5 / 0.1)
    huge = make_batch(reward=1e3)
    assert float(free.target_value(huge).min()) > 900
    torch.testing.assert_close(bounded.target_value(huge), torch.full((BATCH,), bounded.largest_value))


def test_values_are_no_lower_than_what_was_earned() -> None:
    sac, batch = make_sac(), make_batch(reward=1.0, terminal=1.0)
    earned = torch.linspace(-1.0, 4.0, BATCH)
    target = sac.target_value(batch._replace(returns=earned))
    torch.testing.assert_close(target, earned.clamp(min=1.0))  # at an end the value is the reward itself


def test_returns_to_go_are_discounted_sums() -> None:
    rewards = np.array([1.0, 0.0, 2.0, 0.0], np.float32)
    np.testing.assert_allclose(returns_to_go(rewards, 0.5), [1.0 + 0.25 * 2.0, 1.0, 2.0, 0.0])
    assert returns_to_go(rewards[:0], 0.5).shape == (0,)


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


def add(replay: Replay, values: list[float]) -> None:
    column = np.array(values, np.float32)
    replay.add(
        np.tile(column[:, None], STATE),
        np.tile(column[:, None], LATENT),
        column,
        np.tile(column[:, None] + 0.5, STATE),
        column * 0,
    )


class TestReplay:
    def test_transitions_come_back_whole(self) -> None:
        replay = Replay(100, STATE, LATENT)
        add(replay, [1.0, 2.0, 3.0])
        batch = replay.sample(50, np.random.default_rng(0))
        assert set(batch.rewards.tolist()) == {1.0, 2.0, 3.0}
        torch.testing.assert_close(batch.states, batch.rewards.unsqueeze(1).expand(-1, STATE))
        torch.testing.assert_close(batch.next_states, batch.states + 0.5)
        assert batch.latents.shape == (50, LATENT) and batch.terminals.sum() == 0

    def test_a_share_of_a_batch_was_followed_by_reward(self) -> None:
        replay = Replay(100, STATE, LATENT, rewarded_share=0.25)
        none = np.zeros((9, 1), np.float32)
        for index in range(9):
            state = np.full((1, STATE), index, np.float32)
            replay.add(state, np.zeros((1, LATENT)), none[index], state, none[index], none[index])
        assert replay.sample(40, np.random.default_rng(0)).returns.sum() == 0  # as long as there is none
        state = np.full((1, STATE), 9.0, np.float32)
        replay.add(state, np.zeros((1, LATENT)), none[0], state, none[0], np.array([2.5], np.float32))
        batch = replay.sample(4000, np.random.default_rng(0))
        assert batch.returns is not None
        assert float((batch.returns == 2.5).float().mean()) == pytest.approx(0.25 + 0.75 * 0.1, abs=0.02)
        assert bool(((batch.states[:, 0] == 9.0) == (batch.returns == 2.5)).all())

    def test_the_oldest_are_overwritten(self) -> None:
        replay = Replay(5, STATE, LATENT)
        for value in range(12):
            add(replay, [float(value)])
        assert len(replay) == 5
        assert set(replay.sample(200, np.random.default_rng(0)).rewards.tolist()) == {7.0, 8.0, 9.0, 10.0, 11.0}

    def test_kitchen_transitions_take_less_than_700_bytes(self) -> None:
        assert Replay(10, 30, 10).bytes_per_transition == 288

    @pytest.mark.parametrize("capacity", [1000, 7])
    def test_saved_segments_restore_the_same_ring(self, tmp_path: Path, capacity: int) -> None:
        replay = Replay(capacity, STATE, LATENT)
        names: list[str] = []
        for start in range(0, 12, 4):
            add(replay, [float(start + i) for i in range(4)])
            before = {name: (tmp_path / name).read_bytes() for name in names}
            names = replay.save(tmp_path)
            assert all((tmp_path / name).read_bytes() == content for name, content in before.items())
        assert len(names) == 3
        restored = Replay(capacity, STATE, LATENT)
        restored.restore(tmp_path, names)
        for which in (replay, restored):
            add(which, [99.0])
        drawn = [r.sample(64, np.random.default_rng(3)).states for r in (replay, restored)]
        assert torch.equal(*drawn)


class Decoder:
    """Skills of three steps whose action is the first number of z."""

    latent_dim, horizon = LATENT, 3

    def begin(self, latent: np.ndarray) -> None:
        self.action = latent[:1]

    def act(self, observation: np.ndarray) -> np.ndarray:
        return self.action


PENDULUM = GymnasiumSection(kind="gymnasium", id="Pendulum-v1", episode_length=25)


def make_learning(**changes: Any) -> SkillLearning:
    settings = {"warmup_steps": 30, "updates_per_step": 0.5, "environments": 2, **changes}
    sac = make_sac(state_dim=3, **settings)
    vector = make_vector(PENDULUM, Decoder(), 2, seed=7, processes=False)
    return SkillLearning(sac.section, sac, vector, Replay(1000, 3, LATENT), np.random.default_rng(0))


def policy_weights(learning: SkillLearning) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in learning.sac.policy.state_dict().values()]


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
        assert all(torch.equal(a, b) for a, b in zip(policy_weights(whole), policy_weights(rest), strict=True))
        assert whole.metrics() == rest.metrics()

    def test_same_seed_same_weights(self) -> None:
        runs = [make_learning() for _ in range(2)]
        for learning in runs:
            for _ in range(12):
                learning.round()
        assert all(torch.equal(a, b) for a, b in zip(*map(policy_weights, runs), strict=True))

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


def test_alpha_never_falls_below_its_bound() -> None:
    sac = make_sac(initial_alpha=0.02, min_alpha=0.0199, alpha_learning_rate=0.1)
    for _ in range(5):  # the policy stays close to the prior, which makes alpha fall
        sac.update(make_batch())
    assert sac.alpha.item() == pytest.approx(0.0199)
