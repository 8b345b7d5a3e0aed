"""Keys of observations that contain slashes, such as those of dm_control."""

from __future__ import annotations

import numpy as np
import pytest

from spirl_cli.errors import UsageError
from spirl_cli.observation import select
from spirl_cli.settings import ObservationPart

OBSERVATION = {
    "arm/position": np.array([1.0]),
    "arm": {"velocity": np.array([2.0]), "position": np.array([3.0])},
    "hand/left": {"finger/tip": np.array([4.0])},
}


@pytest.mark.parametrize(
    ("key", "value"), [("arm/position", 1.0), ("arm/velocity", 2.0), ("hand/left/finger/tip", 4.0)]
)
def test_names_with_slashes_are_found(key: str, value: float) -> None:
    assert select(OBSERVATION, (ObservationPart(key=key),)).tolist() == [value]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(UsageError, match="no key 'hand/left/finger/tap'") as refusal:
        select(OBSERVATION, (ObservationPart(key="hand/left/finger/tap"),))
    assert refusal.value.hint == "known keys: finger/tip"
