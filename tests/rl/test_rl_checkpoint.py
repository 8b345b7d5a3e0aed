"""What a checkpoint of `train-rl` holds: its names stay readable, and all of it is restored."""

from __future__ import annotations

from pathlib import Path

import pytest

from spirl_cli.errors import ArtifactError
from tests.support.rl_data import make_learning

SCALARS = {"simulated", "updates", "credit", "finished", "losses", "replay", "log_alpha", "environments", "batches"}
LATER = {"replay_sha256", "best"}  # than the first checkpoints, which are still read
OPTIMIZERS = {"policy_optimizer", "critic_optimizer", "alpha_optimizer"}
TENSORS = {"returns", "policy", "critics", "target_critics", "samples", "environment0", "environment1"}


def test_the_names_in_a_checkpoint_are_those_of_earlier_versions(tmp_path: Path) -> None:
    learning = make_learning()
    for _ in range(6):
        learning.round()
    state = learning.state(tmp_path)
    learning.vector.close()
    assert set(state.scalars) == SCALARS | LATER | OPTIMIZERS
    assert {name.partition("/")[0] for name in state.tensors} == TENSORS | OPTIMIZERS


@pytest.mark.parametrize("name", sorted((SCALARS | OPTIMIZERS) - {"losses", "environments"}))
def test_a_checkpoint_without_one_of_them_is_refused(name: str, tmp_path: Path) -> None:
    learning = make_learning()
    state = learning.state(tmp_path)
    del state.scalars[name]
    with pytest.raises(ArtifactError, match=name):
        learning.restore(state, tmp_path)
    learning.vector.close()


def test_a_checkpoint_without_what_came_later_is_read(tmp_path: Path) -> None:
    learning, again = make_learning(), make_learning()
    for _ in range(3):
        learning.round()
    state = learning.state(tmp_path)
    for name in LATER:
        del state.scalars[name]
    again.restore(state, tmp_path)
    for one in (learning, again):
        one.vector.close()
    assert (again.replay.rows[: len(again.replay)] == learning.replay.rows[: len(learning.replay)]).all()


def test_a_restored_learner_saves_the_same_again(tmp_path: Path) -> None:
    learning, again = make_learning(), make_learning()
    for _ in range(6):
        learning.round()
    saved = learning.state(tmp_path)
    again.restore(saved, tmp_path)
    resaved = again.state(tmp_path)
    for one in (learning, again):
        one.vector.close()
    assert saved.scalars == resaved.scalars
    assert saved.tensors.keys() == resaved.tensors.keys()
    assert all(tensor.equal(resaved.tensors[name]) for name, tensor in saved.tensors.items())
