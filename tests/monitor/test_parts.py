"""One list of parts decides what a checkpoint holds and what is restored from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from spirl_cli.errors import ArtifactError
from spirl_cli.monitor.checkpoint import State, read_state, write_state
from spirl_cli.monitor.parts import (
    Part,
    Parts,
    array_part,
    attribute_part,
    generator_part,
    module_part,
    numpy_generator_part,
    optimizer_part,
    scalar_part,
)


class Learner:
    """One object of every kind that a checkpoint can hold."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.network = torch.nn.Linear(2, 3)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=0.1 * (1 + seed))
        self.generator = torch.Generator().manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.returns = np.arange(4.0) + seed
        self.steps = 10 + seed
        self.words = [f"word {seed}"]
        self.network(torch.ones(1, 2)).sum().backward()
        self.optimizer.step()
        self.parts = Parts(
            module_part("network", self.network),
            optimizer_part("optimizer", self.optimizer),
            generator_part("samples", self.generator),
            numpy_generator_part("batches", self.rng),
            array_part("returns", self.returns),
            attribute_part(self, "steps"),
            scalar_part("words", lambda: list(self.words), self.words.__init__),  # type: ignore[misc]
        )


def contents(state: State) -> tuple[dict[str, list[float]], dict[str, object]]:
    return {name: tensor.tolist() for name, tensor in state.tensors.items()}, state.scalars


def test_what_is_saved_is_restored_in_place(tmp_path: Path) -> None:
    saved, other = Learner(0), Learner(1)
    write_state(tmp_path / "state", saved.parts.state(tmp_path))
    assert contents(other.parts.state(tmp_path)) != contents(saved.parts.state(tmp_path))
    other.parts.restore(read_state(tmp_path / "state"), tmp_path)
    assert contents(other.parts.state(tmp_path)) == contents(saved.parts.state(tmp_path))
    assert (other.steps, other.words, other.returns.tolist()) == (10, ["word 0"], [0.0, 1.0, 2.0, 3.0])


@pytest.mark.parametrize("name", [part.name for part in Learner(0).parts.parts])
def test_no_part_can_be_missing_from_a_checkpoint(name: str, tmp_path: Path) -> None:
    state = Learner(0).parts.state(tmp_path)
    state.scalars.pop(name, None)
    for tensor in [one for one in state.tensors if one == name or one.startswith(f"{name}/")]:
        del state.tensors[tensor]
    with pytest.raises(ArtifactError, match=name):
        Learner(0).parts.restore(state, tmp_path)


def test_an_array_of_another_shape_is_refused(tmp_path: Path) -> None:
    parts = Parts(array_part("returns", np.zeros(4)))
    with pytest.raises(ArtifactError, match=r"'returns' of shape \(4,\)"):
        parts.restore(State({"returns": torch.zeros(1)}), tmp_path)


def test_two_parts_of_one_name_are_refused() -> None:
    part = Part("steps", lambda folder: State(), lambda state, folder: None)
    with pytest.raises(ValueError, match="same name"):
        Parts(part, part)
