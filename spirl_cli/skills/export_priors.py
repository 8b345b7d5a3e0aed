"""Priors and policies of every family → files for NumPy inference; see `numpy_priors.py`, which reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from spirl_cli.skills.ensemble import EnsembleNetwork
from spirl_cli.skills.export_skills import export_gaussian, folded_layers, seen_header, write_network
from spirl_cli.skills.flow import Coupling, FlowNetwork
from spirl_cli.skills.mixture import MixtureNetwork
from spirl_cli.skills.prior import GaussianNetwork, PriorNetwork


def export_prior(path: Path, prior: PriorNetwork) -> None:
    """Write a prior of any family that is trained."""
    if isinstance(prior, GaussianNetwork):
        export_gaussian(path, prior)
        return
    if isinstance(prior, MixtureNetwork):
        tensors, header = _mixture(prior)
    elif isinstance(prior, EnsembleNetwork):
        tensors, header = _ensemble(prior)
    else:
        assert isinstance(prior, FlowNetwork)
        tensors, header = _flow(prior)
    write_network(path, tensors, {**header, **seen_header(prior.perception)})


def export_policy(
    path: Path, policy: GaussianNetwork | MixtureNetwork, squash: str = "none", bounds: Tensor | None = None
) -> None:
    """Write a policy; see `export_gaussian`. A mixture is not squashed."""
    if isinstance(policy, GaussianNetwork):
        export_gaussian(path, policy, squash, bounds)
    else:
        export_prior(path, policy)


def _mixture(prior: MixtureNetwork) -> tuple[dict[str, Tensor], dict[str, Any]]:
    header = {"kind": "mixture", "components": prior.components, "min_log_sigma": prior.min_log_sigma}
    return folded_layers(prior.network, prior.normalizer, prior.perception, "mixture"), header


def _ensemble(prior: EnsembleNetwork) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors: dict[str, Tensor] = {}
    for index, member in enumerate(cast(Iterable[nn.Sequential], prior.members)):
        tensors |= folded_layers(member, prior.normalizer, prior.perception, f"member{index}")
    header = {"kind": "ensemble", "members": len(prior.members), "min_log_sigma": prior.min_log_sigma}
    return tensors, header


def _flow(prior: FlowNetwork) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors = folded_layers(prior.network, prior.normalizer, prior.perception, "features")
    kept: list[list[float]] = []
    for index, coupling in enumerate(cast(Iterable[Coupling], prior.couplings)):
        tensors |= _layers(coupling.scale, f"scale{index}") | _layers(coupling.shift, f"shift{index}")
        kept.append(coupling.kept.tolist())
    return tensors, {"kind": "flow", "kept": kept}


def _layers(network: nn.Sequential, prefix: str) -> dict[str, Tensor]:
    """Linear layers as matrices (inputs, outputs)."""
    linear = [module for module in network if isinstance(module, nn.Linear)]
    return {
        f"{prefix}/{index}/{name}": tensor
        for index, layer in enumerate(linear)
        for name, tensor in (("weight", layer.weight.T), ("bias", layer.bias))
    }
