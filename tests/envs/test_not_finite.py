"""Numbers that are not finite: caught where they arrive, with their place, before anything is stored."""

from __future__ import annotations

import json

import numpy as np
import pytest

from spirl_cli.cli.console import emit_json
from spirl_cli.envs.make import make_env
from spirl_cli.envs.replayable import ReplayableEnv, episode_seed
from spirl_cli.envs.vector import make_vector
from spirl_cli.errors import DivergedError, NotFiniteError
from spirl_cli.rl.loop import SkillLearning
from spirl_cli.rl.replay import Replay
from tests.support.commands import MakeWorkspace
from tests.support.odd_environments import NotFinite, as_options, odd
from tests.support.rl_data import LATENT, Decoder, make_learning, make_sac

PUSH = np.zeros(1, np.float32)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    ("quantity", "named"), [("reward", "reward"), ("observation", r"observation \(number 1 of 3\)")]
)
def test_the_quantity_and_its_place_are_named(quantity: str, named: str, number: str) -> None:
    env = ReplayableEnv(make_env(odd(NotFinite, quantity=quantity, number=number, at=3)), seed=5, slot=1, slots=2)
    env.reset()
    env.step(PUSH)
    env.step(PUSH)
    place = rf"at step 3 of episode 1 \(reset with seed {episode_seed(5, 1)}, in environment 1 of 2\)"
    with pytest.raises(NotFiniteError, match=f"'NotFinite-v0' returned {number} as {named} {place}"):
        env.step(PUSH)


def test_a_reward_too_large_for_the_replay_memory_is_refused() -> None:
    env = ReplayableEnv(make_env(odd(NotFinite, number="1e39", at=1)), seed=5)
    env.reset()
    with pytest.raises(NotFiniteError, match="inf as reward at step 1"), np.errstate(over="ignore"):
        env.step(PUSH)


def test_an_action_that_is_not_finite_is_the_policys() -> None:
    env = ReplayableEnv(make_env(odd(NotFinite)), seed=5)
    env.reset()
    with pytest.raises(DivergedError, match="not finite at step 1 of episode 0"):
        env.step(np.array([np.nan], np.float32))


def test_nothing_of_the_step_is_stored() -> None:
    settings = {"warmup_steps": 30, "environments": 2}
    sac = make_sac(state_dim=3, **settings)
    vector = make_vector(odd(NotFinite), Decoder(), 2, seed=7, processes=False)
    learning = SkillLearning(sac.section, sac, vector, Replay(1000, 3, LATENT), np.random.default_rng(0))
    with pytest.raises(NotFiniteError):
        for _ in range(10):
            learning.round()
    assert len(learning.replay) == 2 * 5  # skills of three steps before step 17, in two environments
    assert np.isfinite(learning.replay.rows[: len(learning.replay)]).all()


def test_a_reward_scale_that_overflows_stores_nothing() -> None:
    learning = make_learning(reward_scale=1e39)
    with pytest.raises(DivergedError, match="rewards of a transition"), np.errstate(over="ignore"):
        learning.round()
    assert len(learning.replay) == 0


def test_training_ends_with_code_4_and_resumes_from_the_last_good_checkpoint(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior")
    fault = as_options(odd(NotFinite, at=17, variable="BROKEN"))
    broken = work.start("train-rl", "swing.yaml", *fault, BROKEN="1", SPIRL_CHECKPOINT_SECONDS="0").wait()
    assert broken.returncode == 4 and "returned nan as reward at step 17 of episode" in broken.stderr
    assert "policy chose" not in broken.stderr and "learning rate" not in broken.stderr
    mended = work.spirl("train-rl", "swing.yaml", *fault)
    assert "resuming at" in mended.stderr


def test_evaluation_ends_with_code_4_and_writes_no_results(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior")
    fault = as_options(odd(NotFinite, at=40))
    broken = work.spirl("evaluate", "swing.yaml", "--prior-only", *fault, code=4)
    assert "returned nan as reward at step 40" in broken.stderr
    assert not list((work.folder / "artifacts").rglob("results.json"))


def test_json_holds_null_for_what_is_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({"metrics": {"return": float("nan")}, "rows": [float("inf"), 1.5, None]})
    assert json.loads(capsys.readouterr().out) == {"metrics": {"return": None}, "rows": [None, 1.5, None]}
