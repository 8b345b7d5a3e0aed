"""Decoders whose actions are squashed by tanh, as in published agents."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

from spirl_cli import load_agent
from spirl_cli.errors import ArtifactError
from spirl_cli.inference.decoders import DecoderFile, SquashedDecoder, load_decoder
from spirl_cli.stages.policy_set import Target, agent_policies, decoder_and_policy, prior_policies
from spirl_cli.store.store import Store
from tests.support.agent_data import HORIZON, evaluation_context, make_agent, make_skills_and_prior, pendulum_recipe
from tests.support.network_data import STATE_DIM, write_made_network

SQUASHED = {"train_rl": {"parity": {"tanh_actions": True}}}


def states(count: int, size: int = STATE_DIM) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, size)).astype(np.float32)


@pytest.mark.parametrize("kind", ["closed-loop", "open-loop", "primitive"])
def test_every_action_is_the_tanh_of_the_raw_one(tmp_path: Path, kind: str) -> None:
    """An open-loop decoder goes on from its raw actions, not from the squashed ones."""
    write_made_network(tmp_path / "decoder", kind)
    raw, squashed = load_decoder(tmp_path / "decoder"), DecoderFile.of(tmp_path / "decoder", SQUASHED).load()
    assert (squashed.latent_dim, squashed.horizon) == (raw.latent_dim, raw.horizon)
    for decoder in (raw, squashed):
        decoder.begin(np.linspace(-2, 2, raw.latent_dim))
    for state in states(4):
        np.testing.assert_array_equal(squashed.act(state), np.tanh(raw.act(state)))


def test_copies_run_skills_of_their_own_on_the_same_weights(tmp_path: Path) -> None:
    write_made_network(tmp_path / "decoder", "closed-loop")
    first = SquashedDecoder(load_decoder(tmp_path / "decoder"))
    second = copy.copy(first)
    first.begin(np.ones(2))
    alone = first.act(states(1)[0])
    second.begin(-np.ones(2))
    np.testing.assert_array_equal(first.act(states(1)[0]), alone)
    assert not np.array_equal(second.act(states(1)[0]), alone)
    assert first._decoder.network is second._decoder.network  # type: ignore[attr-defined]


def test_a_batch_acts_like_single_agents(tmp_path: Path) -> None:
    artifact = make_agent(Store(tmp_path), pendulum_recipe(**SQUASHED))
    together, alone = load_agent(artifact.path), load_agent(artifact.path)
    together.reset(batch=2)
    actions = np.stack([together.act(np.stack([state, -state])) for state in states(HORIZON, 3)])  # (T, B, A)
    for row, sign in enumerate((1, -1)):
        alone.reset()
        np.testing.assert_array_equal(actions[:, row], [alone.act(sign * state) for state in states(HORIZON, 3)])


@pytest.mark.parametrize("parameters", [{}, {"train_rl": {}}, {"train_rl": {"parity": None}}])
def test_parameters_that_do_not_say_it_are_refused(tmp_path: Path, parameters: dict[str, object]) -> None:
    with pytest.raises(ArtifactError, match="incomplete"):
        DecoderFile.of(tmp_path / "decoder", parameters)


@pytest.mark.parametrize("squashed", [False, True])
def test_evaluations_squash_as_the_training_did(tmp_path: Path, squashed: bool) -> None:
    """The agent's manifest decides for the agent, the recipe for a prior alone."""
    trained = pendulum_recipe(**(SQUASHED if squashed else {}))
    agent = make_agent(Store(tmp_path), trained)
    context = evaluation_context(tmp_path / "agent", pendulum_recipe(), {"agent": agent})
    assert agent_policies(context).decoder.squashed == squashed
    context = evaluation_context(tmp_path / "prior", trained, make_skills_and_prior(Store(tmp_path), trained))
    policies = prior_policies(context)
    assert policies.decoder.squashed == squashed
    uniform, _ = decoder_and_policy(policies, Target("random", "sampled", 0, None))
    uniform.begin(np.array([1.5]))
    np.testing.assert_allclose(uniform.act(states(1, 3)[0]), np.tanh([1.5]) if squashed else [1.5], rtol=1e-6)
