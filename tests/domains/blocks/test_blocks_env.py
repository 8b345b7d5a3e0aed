"""Block stacking as an environment: what it shows, pays and counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from spirl_cli.domains.blocks import geometry, image
from spirl_cli.domains.blocks.domain import selected_numbers
from spirl_cli.domains.blocks.env import BlocksEnv
from spirl_cli.domains.blocks.section import BlocksSection
from spirl_cli.envs.make import make_env
from spirl_cli.errors import UsageError
from spirl_cli.recipe.sections.prior import TrainPriorSection
from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.recipe.sections.skills import ImageEncoderSection
from spirl_cli.rl.sac import SAC
from spirl_cli.settings import ObservationPart
from spirl_cli.skills.families import make_prior
from spirl_cli.skills.networks import Normalizer
from spirl_cli.stages.train_rl import state_scales
from tests.support.environments import assert_keeps_gymnasiums_rules

STATE = (ObservationPart(key="state"),)


def section(**values: Any) -> BlocksSection:
    return BlocksSection(**{"kind": "blocks", "blocks": 3, "episode_length": 400, **values})


def steer(env: BlocksEnv, y: float, z: float, fingers: float, steps: int = 60) -> float:
    """Move the gripper to a place; returns the summed reward."""
    total = 0.0
    for _ in range(steps):
        offset = np.array([y, z]) - env.physics.state[:2]
        total += env.step(np.append(np.clip(12 * offset, -1, 1), fingers))[1]
        if np.abs(offset).max() < 0.004:
            break
    return total


def wait(env: BlocksEnv, fingers: float, steps: int) -> float:
    return sum(env.step(np.array([0.0, 0.0, fingers]))[1] for _ in range(steps))


def stack(env: BlocksEnv, block: int, target: int) -> float:
    """Put one block onto another and go away; returns the summed reward."""
    y, z = env.physics.places[block, :2]
    total = steer(env, env.physics.state[0], 0.3, 1.0) + steer(env, y, 0.3, 1.0) + steer(env, y, z, 1.0)
    total += wait(env, -1.0, 4) + steer(env, y, 0.3, -1.0)
    y, z = env.physics.places[target, :2]
    total += steer(env, y, 0.3, -1.0) + steer(env, y, z + geometry.BLOCK + 0.002, -1.0)
    return total + wait(env, 1.0, 4) + steer(env, y, z + 0.25, 1.0)


def test_it_keeps_gymnasiums_rules() -> None:
    assert_keeps_gymnasiums_rules(BlocksEnv(section(blocks=2, episode_length=5), render_mode="rgb_array"))


def test_observations_are_state_and_stacked_views() -> None:
    env = BlocksEnv(section(frames=3))
    observation, info = env.reset(seed=1)
    first = image.draw(observation["state"][None])[0]
    assert observation["state"].shape == (17,) and observation["state"].dtype == np.float32
    np.testing.assert_array_equal(observation["image"], np.concatenate([first] * 3, axis=-1))
    views = [first] * 3
    for _ in range(4):
        observation, _, _, _, info = env.step(np.array([1.0, 0.5, -1.0]))
        views.append(image.draw(observation["state"][None])[0])
        np.testing.assert_array_equal(observation["image"], np.concatenate(views[-3:], axis=-1))
    assert set(info["metrics"]) == {"stacked", "height", "max_stacked", "max_height", "lifted", "delivered"}


def test_the_observation_vector_is_the_state_and_then_the_image() -> None:
    env = make_env(section())
    assert section().image_shape == (32, 32, 6) and env.observation_space.shape == (17 + 32 * 32 * 6,)
    assert section().state_parts == STATE and len(selected_numbers(section(blocks=11))) == 41
    assert make_env(section(observation=STATE)).observation_space.shape == (17,)
    with pytest.raises(UsageError, match="the image has to come last"):
        make_env(section(observation=(ObservationPart(key="image"), *STATE)))


def test_episodes_follow_from_their_seed_and_end_by_truncation() -> None:
    def run(seed: int) -> bytes:
        env = BlocksEnv(section(episode_length=20, observation=STATE))
        env.reset(seed=seed)
        for step in range(20):
            observation, _, terminated, truncated, _ = env.step(np.array([np.sin(step), -0.5, 1.0]))
            assert not terminated and truncated == (step == 19)
        return bytes(observation["state"].tobytes())

    assert run(0) == run(0) != run(1)


def test_stacking_is_paid_and_counted() -> None:
    env = BlocksEnv(section(observation=STATE))
    env.reset(seed=0)
    assert wait(env, 1.0, 3) == 0.0
    total = stack(env, 0, 1)
    metrics = env.step(np.zeros(3))[4]["metrics"]
    assert metrics["stacked"] == metrics["max_stacked"] == 2
    assert (metrics["lifted"], metrics["delivered"]) == (1, 1)
    np.testing.assert_allclose([metrics["height"], metrics["max_height"]], 2, atol=0.05)
    np.testing.assert_allclose(wait(env, 1.0, 10), 10 * 50 * 2 * geometry.BLOCK, rtol=0.03)
    assert total > 1 + 2, "lifted and delivered"


def test_the_sparse_reward_is_the_height() -> None:
    env = BlocksEnv(section(observation=STATE, reward="sparse"))
    env.reset(seed=0)
    stack(env, 0, 1)
    np.testing.assert_allclose(wait(env, 1.0, 10), 10 * 2 * geometry.BLOCK, rtol=0.03)


def test_a_tower_that_fell_is_not_counted_at_the_end() -> None:
    env = BlocksEnv(section(observation=STATE))
    env.reset(seed=0)
    stack(env, 0, 1)
    y, z = env.physics.places[0, :2]
    side = -0.2 if y > 0 else 0.2
    steer(env, y + side, z + 0.2, -1.0)
    steer(env, y + side, z, -1.0)
    steer(env, y - side, z, -1.0)
    steer(env, y - side, 0.4, -1.0)
    metrics = env.step(np.zeros(3))[4]["metrics"]
    assert metrics["max_stacked"] == 2 and metrics["stacked"] < 2 and metrics["height"] < 2


@pytest.mark.parametrize("seed", range(2))
def test_a_closed_gripper_that_plows_through_stacks_nothing(seed: int) -> None:
    env = BlocksEnv(section(blocks=5, observation=STATE))
    env.reset(seed=seed)
    for y in (-0.5, 0.5, -0.5):
        steer(env, env.physics.state[0], 0.3, -1.0)
        steer(env, y, 0.05, -1.0)
    metrics = env.step(np.zeros(3))[4]["metrics"]
    assert metrics["max_stacked"] == metrics["max_height"] == metrics["lifted"] == 0


def test_networks_of_five_blocks_learn_with_eleven() -> None:
    torch.manual_seed(0)
    env, train = section(blocks=11, frames=1), TrainRLSection(critic_width=8, policy_width=8, batch_size=4)
    prior = make_prior(
        TrainPriorSection(image=ImageEncoderSection(), state_indices=("1:8",), width=8, depth=1),
        Normalizer.identity(23),
        4,
        (32, 32, 3),
    )
    sac = SAC(train, prior, 4, torch.Generator().manual_seed(0), scales=state_scales(env, 23))
    observation = make_env(env).reset(seed=0)[0][None]
    states = sac.encode(observation)
    whole = sac.whole_states(torch.from_numpy(states))
    np.testing.assert_array_equal(whole.numpy()[:, :41], observation[:, :41])
    other = observation.copy()
    other[:, 8:41] += 1  # blocks: seen by critics only
    moved = sac.encode(other)
    before, after = (sac.policy_density(torch.from_numpy(s)).mean for s in (states, moved))
    assert torch.equal(before, after)
    latents = torch.zeros(1, 4)
    first, second = (sac.critics(sac.whole_states(torch.from_numpy(s)), latents) for s in (states, moved))
    assert not torch.equal(first, second)
    assert sac.numbers + sac.pixels == states.shape[1]
    assert state_scales(env, 41) is None
