"""What environments return and do that no environment should: said, and what is only unusual works."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
import pytest

from spirl_cli.envs.make import make_env
from spirl_cli.envs.replayable import ReplayableEnv
from spirl_cli.envs.trial import try_environment
from spirl_cli.envs.vector import make_vector
from spirl_cli.errors import NotFiniteError, SpirlError, UsageError
from tests.support.environments import HoldDecoder
from tests.support.odd_environments import odd
from tests.support.odd_values import (
    ENDS,
    FLAGS,
    HARMLESS,
    NOT_FINITE,
    OBSERVATIONS,
    REWARDS,
    SOUND_FLAGS,
    SOUND_OBSERVATIONS,
    SOUND_REWARDS,
    SPACES,
    InPlace,
    Odd,
    OddActions,
    Unclosable,
)

SAYS = {
    "reward": "as reward",
    "terminated": "as terminated, which is neither true nor false",
    "truncated": "as truncated, which is neither true nor false",
    "observation": "observation array is not|declares 3 numbers",
}
REFUSED = {
    "reward": REWARDS,
    "terminated": FLAGS,
    "truncated": FLAGS,
    "observation": OBSERVATIONS,
}
TAKEN = {
    "reward": SOUND_REWARDS,
    "terminated": SOUND_FLAGS,
    "truncated": SOUND_FLAGS,
    "observation": SOUND_OBSERVATIONS,
}
PUSH = np.full(1, 0.5, np.float32)


def named(tables: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    return [(table, name) for table, values in tables.items() for name in values]


def play(table: str, name: str, steps: int = 4) -> None:
    env = ReplayableEnv(make_env(odd(Odd, table=table, name=name)), seed=0)
    env.reset()
    for _ in range(steps):
        env.step(PUSH)


@pytest.mark.parametrize(("table", "name"), named(REFUSED))
def test_what_is_none_of_the_interface_is_refused(table: str, name: str) -> None:
    with pytest.raises(UsageError, match=SAYS[table]):
        play(table, name)


@pytest.mark.parametrize(("table", "name"), named(TAKEN))
def test_what_is_only_unusual_is_taken(table: str, name: str) -> None:
    play(table, name)


@pytest.mark.parametrize("name", NOT_FINITE)
def test_rewards_that_no_memory_can_hold_are_not_finite(name: str) -> None:
    with pytest.raises(NotFiniteError, match=r"as reward at step 2 of episode 0"):
        play("reward", name)


@pytest.mark.parametrize("name", SPACES)
def test_actions_that_skills_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="actions"):
        make_env(odd(OddActions, name=name))


@pytest.mark.parametrize("name", ENDS)
def test_an_environment_that_ends_its_process_is_said_by_the_trial(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        try_environment(odd(Odd, name=name), pytest.fail)
    said = {"os._exit": "ended by itself", "os._exit(7)": "exit code 7", "crash": "SIGSEGV"}
    assert said.get(name, "'Odd-v0' fails within 5 steps") in refused.value.message
    assert len(refused.value.message) < 700 and refused.value.hint


def test_an_environment_that_ends_its_process_later_is_said() -> None:
    for name, message in (("sys.exit", "SystemExit: 0"), ("os._exit", "it ended by itself"), ("crash", "SIGSEGV")):
        vector = make_vector(odd(Odd, name=name, at=3), HoldDecoder(1, 5), 1, seed=0)
        vector.reset()
        with pytest.raises(SpirlError, match=message):
            vector.step(np.zeros((1, 1), np.float32))
        vector.close()


def test_what_an_environment_does_to_its_own_process_harms_no_other() -> None:
    here, streams = os.getcwd(), (sys.stdout, sys.stderr)
    for name in HARMLESS:
        try_environment(odd(Odd, name=name, since=False), lambda text: None)
    assert (os.getcwd(), (sys.stdout, sys.stderr)) == (here, streams) and os.environ


def test_arrays_that_an_environment_writes_into_are_its_own() -> None:
    env = ReplayableEnv(make_env(odd(InPlace)), seed=0)
    seen = [env.reset()[0]]
    action = PUSH.copy()
    seen += [env.step(action)[0] for _ in range(3)]
    assert action == PUSH and (env.episode_state["actions"] == 0.5).all()
    assert len({one[2] for one in seen}) == 4, "each observation is another one"


def test_an_environment_that_cannot_be_closed_costs_nothing() -> None:
    env = make_env(odd(Unclosable))
    with pytest.warns(UserWarning, match="cannot be closed: OSError: the simulator is gone already"):
        env.close()
