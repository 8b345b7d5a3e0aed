"""Packing modules, optimizers and generators into a state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from spirl_cli.errors import ArtifactError
from spirl_cli.monitor.checkpoint import merge, read_state, write_state
from spirl_cli.monitor.packing import (
    pack_generator,
    pack_module,
    pack_numpy_generator,
    pack_optimizer,
    unpack_generator,
    unpack_module,
    unpack_numpy_generator,
    unpack_optimizer,
)
from tests.support.monitor_data import Learner, assert_same


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.RAdam, torch.optim.SGD, torch.optim.AdamW])
def test_training_goes_on_exactly_from_packed_parts(tmp_path: Path, kind: type[torch.optim.Optimizer]) -> None:
    def learner() -> Learner:
        made = Learner()
        made.optimizer = kind(made.model.parameters(), lr=3e-3)  # type: ignore[call-arg]
        return made

    original, copy = learner(), learner()
    for _ in range(3):
        original.update()
    original.optimizer.param_groups[0]["lr"] = 1e-3
    write_state(tmp_path / "state", original.state(tmp_path))
    copy.restore(read_state(tmp_path / "state"), tmp_path)
    assert [original.update() for _ in range(5)] == [copy.update() for _ in range(5)]
    assert_same(original.state(tmp_path), copy.state(tmp_path))
    assert type(copy.optimizer.param_groups[0].get("betas")) is type(original.optimizer.param_groups[0].get("betas"))


def test_moments_of_convolutions_with_channels_last_fit_their_weights(tmp_path: Path) -> None:
    """A fused optimiser goes through the memory of weights and moments in step."""

    def learner() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        module = torch.nn.Conv2d(3, 4, 4).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return module, torch.optim.Adam(module.parameters(), lr=1e-2, fused=True)

    def update(module: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        module(torch.arange(96.0).reshape(2, 3, 4, 4) % 7).square().sum().backward()
        optimizer.step()

    (module, optimizer), (other, restored) = learner(), learner()
    for _ in range(3):
        update(module, optimizer)
    write_state(tmp_path / "state", merge(pack_module(module, "module"), pack_optimizer(optimizer, "optimizer")))
    saved = read_state(tmp_path / "state")
    unpack_module(other, "module", saved)
    unpack_optimizer(restored, "optimizer", saved)
    for _ in range(2):
        update(module, optimizer)
        update(other, restored)
    assert torch.equal(module.weight, other.weight)


def test_a_packed_state_does_not_follow_later_updates(tmp_path: Path) -> None:
    learner = Learner()
    learner.update()
    before, again = learner.state(tmp_path), learner.state(tmp_path)
    restored = Learner()
    restored.restore(before, tmp_path)
    learner.update()
    restored.update()
    assert_same(before, again)


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_numpy_generators_go_on_exactly(tmp_path: Path, kind: type[np.random.BitGenerator]) -> None:
    original, copy = np.random.Generator(kind(1)), np.random.Generator(kind(2))
    original.integers(3, size=5, dtype=np.uint8)  # leaves a half used word behind
    write_state(tmp_path / "state", pack_numpy_generator(original, "rng"))
    unpack_numpy_generator(copy, "rng", read_state(tmp_path / "state"))
    assert original.integers(9, size=7, dtype=np.uint8).tolist() == copy.integers(9, size=7, dtype=np.uint8).tolist()
    assert original.normal(size=5).tolist() == copy.normal(size=5).tolist()


def test_the_global_torch_generator_can_be_packed() -> None:
    torch.randn(3)
    state = pack_generator(torch.default_generator, "torch")
    expected = torch.randn(5)
    unpack_generator(torch.default_generator, "torch", state)
    assert torch.equal(torch.randn(5), expected)


def test_a_state_of_something_else_is_refused(tmp_path: Path) -> None:
    state, other = Learner().state(tmp_path), Learner()
    with pytest.raises(ArtifactError, match="'model'"):
        unpack_module(torch.nn.Linear(3, 9), "model", state)
    with pytest.raises(ArtifactError, match="Adam, not of a SGD"):
        unpack_optimizer(torch.optim.SGD(other.model.parameters()), "optimizer", state)
    with pytest.raises(ArtifactError, match="'optimizer'"):
        unpack_optimizer(torch.optim.Adam(torch.nn.Linear(3, 9).parameters()), "optimizer", state)
    with pytest.raises(ArtifactError, match="PCG64, not SFC64"):
        unpack_numpy_generator(np.random.Generator(np.random.SFC64()), "batches", state)
    with pytest.raises(ArtifactError, match="'elsewhere'"):
        unpack_generator(torch.Generator(), "elsewhere", state)
