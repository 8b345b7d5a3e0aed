"""A small learner and its training run, for tests of the monitor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from spirl_cli.monitor.checkpoint import State, merge
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
from spirl_cli.monitor.reporter import SilentReporter
from spirl_cli.monitor.training_run import TrainingRun


class Learner:
    """A small training loop with every kind of state that the stages have."""

    def __init__(self, seed: int = 0) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 1))
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-2)
        self.noise = torch.Generator().manual_seed(seed)
        self.batches = np.random.default_rng(seed)
        self.average = 0.0

    def update(self) -> float:
        """Do one step of gradient descent and return its loss."""
        inputs = torch.as_tensor(self.batches.normal(size=(16, 3)), dtype=torch.float32)
        targets = inputs.sum(1, keepdim=True) + 0.1 * torch.randn(16, 1, generator=self.noise)
        loss = torch.nn.functional.mse_loss(self.model(inputs), targets)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.average = 0.9 * self.average + 0.1 * loss.item()
        return loss.item()

    def state(self, folder: Path) -> State:
        """Pack everything that changes in training."""
        return merge(
            pack_module(self.model, "model"),
            pack_optimizer(self.optimizer, "optimizer"),
            pack_generator(self.noise, "noise"),
            pack_numpy_generator(self.batches, "batches"),
            State(scalars={"average": self.average}),
        )

    def restore(self, state: State, folder: Path) -> None:
        """Take everything from a packed state."""
        unpack_module(self.model, "model", state)
        unpack_optimizer(self.optimizer, "optimizer", state)
        unpack_generator(self.noise, "noise", state)
        unpack_numpy_generator(self.batches, "batches", state)
        self.average = state.scalars["average"]


def training_run(folder: Path, learner: Any, total: int = 20, **changes: Any) -> TrainingRun:
    """Return a run that saves after every step, unless changed."""
    options: dict[str, Any] = {
        "unit": "iterations",
        "description": "train-toy",
        "reporter": SilentReporter(),
        "checkpoint_seconds": 0.0,
    }
    return TrainingRun(folder, learner, total=total, **(options | changes))


def train(folder: Path, total: int = 20, stop_after: int | None = None, **changes: Any) -> Learner:
    """Train to ``total``, or fall over after ``stop_after`` steps."""
    learner = Learner()
    with training_run(folder, learner, total, **changes) as run:
        for step in range(run.step, total):
            loss = learner.update()
            run.tick(step + 1, {"loss": loss} if (step + 1) % 3 == 0 else None)
            if step + 1 == stop_after:
                raise ZeroDivisionError
    return learner


def assert_same(one: State, other: State) -> None:
    """Check that two states are equal to the last bit."""
    assert one.scalars == other.scalars
    assert one.tensors.keys() == other.tensors.keys()
    for name, tensor in one.tensors.items():
        assert tensor.dtype == other.tensors[name].dtype
        assert torch.equal(tensor, other.tensors[name]), name
