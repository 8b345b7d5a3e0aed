"""The optimisers take the steps of torch's, without its compiler."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from spirl_cli.skills.optimization import make_optimizer
from tests.support.commands import run_python

STEPS_WITHOUT_THE_COMPILER = """
import sys
import torch
from spirl_cli.rl import sac  # makes optimisers of its own
from spirl_cli.skills.optimization import make_optimizer

for name in ("adam", "radam"):
    (parameter,) = torch.nn.ParameterList([torch.ones(3)])
    optimizer = make_optimizer(name, [parameter], 0.1)
    optimizer.zero_grad()
    parameter.square().sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    assert parameter.requires_grad and (parameter < 1).all()
print("torch._dynamo" in sys.modules)
"""


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("radam", torch.optim.RAdam)])
def test_steps_are_the_same_bits_as_those_of_torch(name: str, kind: type[torch.optim.Optimizer]) -> None:
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 1))
    theirs = copy.deepcopy(ours)
    options = {"fused": True} if name == "adam" else {}
    optimizers = {
        ours: make_optimizer(name, ours.parameters(), 1e-2),
        theirs: kind(theirs.parameters(), lr=1e-2, **options),  # type: ignore[call-arg]
    }
    for _ in range(20):
        batch = torch.randn(8, 5)
        for network, optimizer in optimizers.items():
            optimizer.zero_grad()
            network(batch).square().mean().backward()
            optimizer.step()
    assert isinstance(optimizers[ours], kind)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)
    assert optimizers[ours].state_dict()["param_groups"] == optimizers[theirs].state_dict()["param_groups"]


def test_the_first_optimiser_does_not_import_the_compiler() -> None:
    assert run_python(STEPS_WITHOUT_THE_COMPILER).stdout.strip() == "False"
