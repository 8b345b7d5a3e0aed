"""Learning from images: what is stored, who sees what, and resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spirl_cli.domains.maze.section import MazeSection
from spirl_cli.envs.vector import make_vector
from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.recipe.sections.skills import ImageEncoderSection
from spirl_cli.rl.image_store import ImageStore
from spirl_cli.rl.loop import SkillLearning
from spirl_cli.rl.replay import Batch, Replay
from spirl_cli.rl.sac import SAC
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import GaussianNetwork, PriorShape
from spirl_cli.skills.vision import Perception
from tests.support.environments import HoldDecoder
from tests.support.tensors import equal, weights

STATE, LATENT, BATCH, ENVIRONMENTS = 4, 2, 8, 2
SHAPE = (8, 8, 6)
PIXELS, FEATURES = 8 * 8 * 6, 5


def make_sac(shape: tuple[int, int, int] = SHAPE, **changes: Any) -> SAC:
    """The prior sees the image only; `prior_image: False` makes it see the state only."""
    section = ImageEncoderSection(channels=(4,), features=FEATURES) if changes.pop("prior_image", True) else None
    torch.manual_seed(0)
    perception = Perception(STATE, None, section, shape)
    prior = GaussianNetwork(Normalizer.identity(STATE), PriorShape(LATENT, 16, 1), perception)
    values = {"critic_width": 16, "batch_size": BATCH, "min_log_sigma": -10.0, **changes}
    return SAC(TrainRLSection.model_validate(values), prior, LATENT, torch.Generator().manual_seed(0))


def raw(seed: int, count: int = BATCH, pixels: int = PIXELS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(size=(count, STATE)), rng.integers(0, 256, (count, pixels))], 1).astype(
        np.float32
    )


def make_batch(sac: SAC) -> Batch:
    states, next_states = (torch.from_numpy(sac.encode(raw(seed))) for seed in (0, 1))
    return Batch(states, torch.randn(BATCH, LATENT), torch.ones(BATCH), next_states, torch.zeros(BATCH))


class TestWhoSeesWhat:
    @pytest.mark.parametrize("frozen", [None, True])
    def test_policy_and_prior_see_the_image_and_critics_the_state(self, frozen: bool | None) -> None:
        sac = make_sac(frozen_image_encoder=frozen)
        given, other_state, other_image = raw(0), raw(0), raw(0)
        other_state[:, :STATE] += 1
        other_image[:, STATE:] = 255 - other_image[:, STATE:]
        s, s_state, s_image = (torch.from_numpy(sac.encode(each)) for each in (given, other_state, other_image))
        latents = torch.randn(BATCH, LATENT)
        for network, seen, unseen in (
            (lambda states: sac.policy_density(states).mean, s_image, s_state),
            (lambda states: sac.prior_density(states).mean, s_image, s_state),
            (lambda states: sac.critics(states, latents), s_state, s_image),
        ):
            assert torch.equal(network(s), network(unseen))
            assert not torch.allclose(network(s), network(seen))

    @pytest.mark.parametrize("frozen", [None, True])
    def test_the_policy_starts_as_the_prior(self, frozen: bool | None) -> None:
        sac = make_sac(frozen_image_encoder=frozen)
        states = torch.from_numpy(sac.encode(raw(0)))
        torch.testing.assert_close(sac.choices(states).penalty, torch.zeros(BATCH))
        torch.testing.assert_close(sac.prior_density(states).mean, sac.prior(torch.from_numpy(raw(0))).mean)

    @pytest.mark.parametrize(
        ("changes", "numbers", "pixels"),
        [
            ({}, STATE + FEATURES, PIXELS),
            ({"frozen_image_encoder": True}, STATE + FEATURES, 0),
            ({"initial_policy": "scratch"}, STATE + FEATURES, 0),
            ({"prior_image": False}, STATE, 0),
        ],
    )
    def test_pixels_are_kept_only_for_convolutions_that_learn(
        self, changes: dict[str, Any], numbers: int, pixels: int
    ) -> None:
        sac = make_sac(**changes)
        given = raw(0)
        states = sac.encode(given)
        assert (sac.numbers, sac.pixels) == (numbers, pixels) and states.shape == (BATCH, numbers + pixels)
        np.testing.assert_array_equal(states[:, :STATE], given[:, :STATE])
        np.testing.assert_array_equal(states[:, numbers:], given[:, STATE : STATE + pixels])

    @pytest.mark.parametrize(("frozen", "learns"), [(None, True), (True, False)])
    def test_convolutions_of_the_policy_learn_unless_frozen(self, frozen: bool | None, learns: bool) -> None:
        sac = make_sac(frozen_image_encoder=frozen)
        before, prior, head = weights(sac.policy.perception), weights(sac.prior), weights(sac.policy.network)
        sac.update(make_batch(sac))
        assert equal(before, weights(sac.policy.perception)) is not learns
        assert equal(prior, weights(sac.prior)) and not equal(head, weights(sac.policy.network))


def add(replay: Replay, states: np.ndarray, next_states: np.ndarray) -> None:
    count = len(states)
    rewards = states[:, 0].copy()
    replay.add(states, np.zeros((count, LATENT), np.float32), rewards, next_states, np.zeros(count, np.float32))


def episodes(replay: Replay, rounds: int, length: int = 5) -> None:
    """Two environments whose episodes end every ``length`` rounds; all observations are new ones."""
    states = raw(0, ENVIRONMENTS)
    for number in range(rounds):
        next_states = raw(1000 + number, ENVIRONMENTS)
        add(replay, states, next_states)
        states = raw(2000 + number, ENVIRONMENTS) if (number + 1) % length == 0 else next_states


class TestReplay:
    def test_images_come_back_and_are_stored_once(self) -> None:
        replay = Replay(100, STATE, LATENT, PIXELS)
        episodes(replay, rounds=10)
        assert len(replay.images) == ENVIRONMENTS * (10 + 2)  # a successor per step, and a first one per episode
        batch = replay.sample(200, np.random.default_rng(0))
        whole = {row[0]: row for number in range(10) for row in raw(1000 + number, ENVIRONMENTS)}
        for observation in batch.next_states.numpy():
            np.testing.assert_array_equal(observation, whole[observation[0]])
        whole |= {row[0]: row for seed in (0, 2004) for row in raw(seed, ENVIRONMENTS)}
        for observation in batch.states.numpy():
            np.testing.assert_array_equal(observation, whole[observation[0]])

    def test_a_ring_that_is_full_needs_no_more_images(self) -> None:
        replay = Replay(7, STATE, LATENT, PIXELS)
        held = []
        for _ in range(4):
            episodes(replay, rounds=10)
            held.append(len(replay.images))
        assert max(held) <= 7 + 2 * ENVIRONMENTS and len(replay.images._blocks) == 1
        batch = replay.sample(50, np.random.default_rng(0))
        whole = {row[0]: row for number in range(10) for row in raw(1000 + number, ENVIRONMENTS)}
        for observation in batch.next_states.numpy():
            np.testing.assert_array_equal(observation, whole[observation[0]])

    @pytest.mark.parametrize("capacity", [1000, 7])
    def test_segments_restore_the_same_ring(self, tmp_path: Path, capacity: int) -> None:
        replay, restored = (Replay(capacity, STATE, LATENT, PIXELS) for _ in range(2))
        names: list[str] = []
        for rounds in (3, 6, 2):
            episodes(replay, rounds)
            before = {name: (tmp_path / name).read_bytes() for name in names}
            names = replay.save(tmp_path)
            assert all((tmp_path / name).read_bytes() == content for name, content in before.items())
        restored.restore(tmp_path, names)
        for which in (replay, restored):
            episodes(which, 2)
        drawn = [each.sample(64, np.random.default_rng(3)) for each in (replay, restored)]
        assert equal(*(batch[:5] for batch in drawn))
        assert len(restored.images) <= len(replay.images) + 3 * ENVIRONMENTS  # shared within a segment

    def test_a_maze_skill_step_takes_less_than_seven_kilobytes(self) -> None:
        pixels, length = 32 * 32 * 6, 200
        replay = Replay(10_000, STATE + 32, 10, pixels)
        images = (1 + 1 / length) * pixels
        assert replay.bytes_per_transition + images < 7000


class TestImageStore:
    def test_slots_are_given_out_again_when_no_one_uses_them(self) -> None:
        store = ImageStore(3)
        first, second = (store.add(np.full(3, value, np.uint8)) for value in (1, 2))
        store.use(first)
        store.release([first, second])
        assert len(store) == 1 and store[first].tolist() == [1, 1, 1]
        assert store.add(np.full(3, 3, np.uint8)) == second and store[second].tolist() == [3, 3, 3]

    def test_blocks_are_not_moved(self) -> None:
        store = ImageStore(2)
        slots = [store.add(np.full(2, value % 256, np.uint8)) for value in range(ImageStore.BLOCK + 5)]
        early = store[0]
        assert np.shares_memory(early, store[slots[0]]) and store[slots[-1]][0] == (ImageStore.BLOCK + 4) % 256


LAYOUT = "\n".join(["##########", *["#........#"] * 8, "##########"])
MAZE = MazeSection(kind="maze", size=8, layout=LAYOUT, start=(1, 1), goal=(8, 8), goal_radius=1.0, episode_length=25)


def make_learning(**changes: Any) -> SkillLearning:
    settings = {"warmup_steps": 30, "updates_per_step": 0.5, "environments": ENVIRONMENTS, **changes}
    sac = make_sac((32, 32, 6), **settings)
    vector = make_vector(MAZE, HoldDecoder(2, horizon=3), ENVIRONMENTS, seed=7, processes=False)
    replay = Replay(1000, sac.numbers, LATENT, sac.pixels, sac.section.rewarded_share)
    return SkillLearning(sac.section, sac, vector, replay, np.random.default_rng(0))


class TestLoop:
    @pytest.mark.parametrize("frozen", [None, True])
    @pytest.mark.parametrize("share", [None, 0.5])
    def test_restored_learning_goes_on_identically(
        self, tmp_path: Path, frozen: bool | None, share: float | None
    ) -> None:
        whole, half, rest = (make_learning(frozen_image_encoder=frozen, rewarded_share=share) for _ in range(3))
        for _ in range(12):  # the second episode has begun
            half.round()
        rest.restore(half.state(tmp_path), tmp_path)
        for _ in range(10):
            rest.round()
        for _ in range(22):
            whole.round()
        assert rest.exact and whole.updates > 3
        assert equal(weights(whole.sac.policy), weights(rest.sac.policy)) and whole.metrics() == rest.metrics()

    @pytest.mark.parametrize("share", [None, 0.5])
    def test_episodes_share_their_images(self, share: float | None) -> None:
        learning = make_learning(rewarded_share=share)
        for _ in range(9):  # 25 steps: eight skills of three steps, and one of one
            learning.round()
        assert len(learning.replay) == 18 and len(learning.replay.images) == ENVIRONMENTS * 10
