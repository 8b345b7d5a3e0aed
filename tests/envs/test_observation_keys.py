"""Keys of observations: whole ones first, then paths through what is nested."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spirl_cli.envs.make import make_env
from spirl_cli.errors import UsageError
from spirl_cli.observation import select
from spirl_cli.settings import ObservationPart
from tests.support.odd_environments import Slashes, odd

PLACE = np.array([1.0, 2.0])
OTHER = np.array([3.0])


@pytest.mark.parametrize(
    "observation",
    [
        {"arm/joints/place": PLACE},
        {"arm": {"joints": {"place": PLACE}}},
        {"arm/joints": {"place": PLACE}},
        {"arm": {"joints/place": PLACE}},
        {"arm": {"joints": OTHER}, "arm/joints": {"place": PLACE}},
        {"arm/joints/place": PLACE, "arm": {"joints": {"place": OTHER}}},
    ],
    ids=[
        "flat",
        "nested",
        "first name with a slash",
        "last name with a slash",
        "two ways, one leads on",
        "whole first",
    ],
)
def test_a_key_with_slashes_is_found(observation: dict[str, Any]) -> None:
    assert np.array_equal(select(observation, (ObservationPart(key="arm/joints/place"),)), PLACE)


def test_an_environment_whose_keys_hold_slashes() -> None:
    env = make_env(odd(Slashes, observation=[{"key": "cart/time"}, {"key": "cart/places"}]))
    assert env.observation_space.shape == (3,)
    env.reset(seed=0)
    observation, *_ = env.step(np.ones(1, np.float32))
    assert observation.tolist() == pytest.approx([0.1, 0.1, 0.05])


def test_a_misspelt_key_with_slashes_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no key 'cart/tme'.*Did you mean 'cart/time'") as missing:
        make_env(odd(Slashes, observation=[{"key": "cart/tme"}]))
    assert missing.value.hint == "known keys: cart/places, cart/time"
