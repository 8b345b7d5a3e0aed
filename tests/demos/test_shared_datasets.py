"""Demonstrations that all runs share: one process makes them, the others take them."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from spirl_cli.demos.formats.minari import datasets_folder, local_datasets
from spirl_cli.demos.identity import DatasetIdentity, generated_identity
from spirl_cli.demos.shared import shared_dataset
from spirl_cli.domains.domain import GeneratedEpisode, Generator, SharedDataset
from spirl_cli.errors import DatasetError
from tests.support.reporters import Recorder

NAME = "test/made"


def _spaces() -> tuple[Any, Any]:
    from gymnasium.spaces import Box

    return Box(-9, 9, (2,), np.float32), Box(-1, 1, (1,), np.float32)


def _episode(states: np.ndarray, actions: np.ndarray) -> dict[str, Any]:
    steps = len(actions)
    ends = np.arange(steps) == steps - 1
    return {
        "observations": states,
        "actions": actions,
        "rewards": np.zeros(steps),
        "terminations": np.zeros(steps, bool),
        "truncations": ends,
    }


SHARED = SharedDataset(NAME, True, "made up", "made up for tests", _spaces, _episode)


class Maker:
    """Makes episodes and counts them; the first one waits until it may."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.may_go_on = threading.Event()

    def __call__(self, number: int) -> GeneratedEpisode:
        self.made.append(number)
        assert self.may_go_on.wait(60)
        return GeneratedEpisode(np.full((4, 2), number, np.float32), np.zeros((3, 1), np.float32))


def generator(make: Maker) -> Generator:
    return Generator("test", make, 2, -np.ones(1, np.float32), np.ones(1, np.float32))


def identity(seed: int = 0) -> DatasetIdentity:
    return generated_identity("scripted", f"{NAME}-v0", 2, {"seed": seed})


def test_one_makes_it_and_the_others_take_it(tmp_path: Path) -> None:
    maker, reporters = Maker(), [Recorder() for _ in range(4)]

    def get(number: int) -> float | None:
        folder = tmp_path / str(number)
        return shared_dataset(generator(maker), SHARED, identity(), folder, reporters[number])[1]

    with ThreadPoolExecutor(4) as executor:
        running = [executor.submit(get, number) for number in range(4)]
        while sum(bool(reporter.messages) for reporter in reporters) < 3:
            assert not all(one.done() for one in running)
        maker.may_go_on.set()
        rates = [one.result() for one in running]
    assert maker.made == [0, 1]
    assert sorted(rates, key=str) == [1.0, None, None, None]
    waiting = f"another process makes {NAME}-v0; waiting for it"
    assert sorted(reporter.messages for reporter in reporters) == [[], *[[waiting]] * 3]
    assert local_datasets() == [f"{NAME}-v0"]


def test_what_a_killed_process_left_is_removed_and_the_lock_is_free(tmp_path: Path) -> None:
    left = datasets_folder() / ".making-test-made-v0-abc" / NAME
    left.mkdir(parents=True)
    FileLock(datasets_folder() / ".making-test-made-v0-lock").acquire().lock.release()
    maker = Maker()
    maker.may_go_on.set()
    shared_dataset(generator(maker), SHARED, identity(), tmp_path, Recorder())
    assert not left.exists() and local_datasets() == [f"{NAME}-v0"]
    assert shared_dataset(generator(maker), SHARED, identity(), tmp_path, Recorder())[1] is None


def test_another_dataset_of_that_name_is_kept(tmp_path: Path) -> None:
    maker = Maker()
    maker.may_go_on.set()
    shared_dataset(generator(maker), SHARED, identity(), tmp_path, Recorder())
    with pytest.raises(DatasetError, match="another version") as refused:
        shared_dataset(generator(maker), SHARED, identity(seed=1), tmp_path / "other", Recorder())
    assert "move" in refused.value.hint and "delete" not in refused.value.hint
    metadata = datasets_folder() / f"{NAME}-v0" / "data/metadata.json"
    assert identity().sha256 in json.loads(metadata.read_text())["description"]
