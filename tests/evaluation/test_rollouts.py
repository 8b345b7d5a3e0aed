"""Rollouts: the same episodes, however many environments run them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spirl_cli.errors import ArtifactError, DivergedError, Interrupted
from spirl_cli.evaluation.episodes import EpisodeResult
from spirl_cli.evaluation.rollouts import RolloutSettings, rollout
from spirl_cli.inference.decoders import load_decoder
from spirl_cli.inference.policies import load_policy
from spirl_cli.monitor.reporter import SilentReporter
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store
from tests.support.agent_data import make_agent, pendulum_recipe


def roll(artifact: Artifact, *, environments: int, kind: Any = "sampled", **settings: Any) -> list[EpisodeResult]:
    return rollout(
        pendulum_recipe().env,
        load_decoder(artifact.file("decoder.safetensors")),
        load_policy(artifact.file("policy.safetensors"), kind),
        RolloutSettings(**{"episodes": 7, "seed": 5, "environments": environments, "processes": False, **settings}),
        SilentReporter(),
    )


def test_results_do_not_depend_on_the_number_of_environments(store: Store) -> None:
    artifact = make_agent(store, pendulum_recipe())
    alone = roll(artifact, environments=1)
    assert [result.episode for result in alone] == list(range(7))
    assert {result.length for result in alone} == {22}
    assert len({result.return_ for result in alone}) == 7
    assert roll(artifact, environments=3) == alone
    assert roll(artifact, environments=50) == alone
    assert roll(artifact, environments=2, processes=True) == alone


def test_more_episodes_keep_the_first_and_seeds_and_policies_differ(store: Store) -> None:
    artifact = make_agent(store, pendulum_recipe())
    base = roll(artifact, environments=2)
    assert roll(artifact, environments=2, episodes=9)[:7] == base
    assert roll(artifact, environments=2, seed=6)[0] != base[0]
    assert roll(artifact, environments=2, kind="mean")[0] != base[0]


def test_a_policy_that_is_not_finite_is_refused(store: Store) -> None:
    artifact = make_agent(store, pendulum_recipe())

    class Broken:
        def latent(self, observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
            return np.full(2, np.nan, np.float32)

    decoder = load_decoder(artifact.file("decoder.safetensors"))
    policy = load_policy(artifact.file("policy.safetensors"), "mean")
    with pytest.raises(ArtifactError, match="not finite"):
        policy.latent(np.full(3, np.nan, np.float32), np.random.default_rng())
    with pytest.raises(DivergedError, match="non-finite"):
        settings = RolloutSettings(1, 0, processes=False)
        rollout(pendulum_recipe().env, decoder, Broken(), settings, SilentReporter())


def test_a_signal_stops_a_rollout(store: Store) -> None:
    artifact = make_agent(store, pendulum_recipe())
    with pytest.raises(Interrupted):
        rollout(
            pendulum_recipe().env,
            load_decoder(artifact.file("decoder.safetensors")),
            load_policy(artifact.file("policy.safetensors"), "mean"),
            RolloutSettings(3, 0, processes=False),
            SilentReporter(),
            stop=lambda: True,
        )
