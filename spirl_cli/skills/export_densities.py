"""Exports priors and policies of every family for NumPy inference by `spirl_cli.inference.densities`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict, cast

from torch import Tensor, nn

from spirl_cli.inference.network_file import (
    DensityHeader,
    EnsembleHeader,
    FlowHeader,
    GaussianHeader,
    MixtureHeader,
    SquashKind,
)
from spirl_cli.skills.ensemble import EnsembleNetwork
from spirl_cli.skills.flow import Coupling, FlowNetwork
from spirl_cli.skills.folded_layers import folded_layers, linear_layers, seen_indices, write_tensors
from spirl_cli.skills.mixture import MixtureNetwork
from spirl_cli.skills.prior import GaussianNetwork, PriorNetwork
from spirl_cli.skills.vision import ImageShape


def export_prior(path: Path, prior: PriorNetwork) -> None:
    """Write a trained prior of any family."""
    if isinstance(prior, GaussianNetwork):
        export_gaussian(path, prior)
    elif isinstance(prior, MixtureNetwork):
        write_tensors(path, *_mixture(prior))
    elif isinstance(prior, EnsembleNetwork):
        write_tensors(path, *_ensemble(prior))
    else:
        assert isinstance(prior, FlowNetwork)
        write_tensors(path, *_flow(prior))


def export_policy(
    path: Path, policy: GaussianNetwork | MixtureNetwork, squash: SquashKind = "none", bounds: Tensor | None = None
) -> None:
    """Write a policy; see `export_gaussian`. A mixture is not squashed."""
    if isinstance(policy, GaussianNetwork):
        export_gaussian(path, policy, squash, bounds)
    else:
        export_prior(path, policy)


def export_gaussian(
    path: Path, network: GaussianNetwork, squash: SquashKind = "none", bounds: Tensor | None = None
) -> None:
    """Write a Gaussian prior or policy; samples are squashed into `bounds` `(2, K)`, if any."""
    limits = None if bounds is None else (tuple(bounds[0].tolist()), tuple(bounds[1].tolist()))
    header = GaussianHeader(min_log_sigma=network.min_log_sigma, squash=squash, bounds=limits, **_seen(network))
    write_tensors(path, folded_layers(network.network, network.normalizer, network.perception, "gaussian"), header)


class _Seen(TypedDict):
    """The fields that all headers have: the visible parts of an observation."""

    state_dim: int
    state_indices: tuple[int, ...] | None
    image_shape: ImageShape | None


def _seen(prior: PriorNetwork) -> _Seen:
    perception = prior.perception
    return _Seen(
        state_dim=perception.state_dim, state_indices=seen_indices(perception), image_shape=perception.image_shape
    )


def _mixture(prior: MixtureNetwork) -> tuple[dict[str, Tensor], DensityHeader]:
    header = MixtureHeader(components=prior.components, min_log_sigma=prior.min_log_sigma, **_seen(prior))
    return folded_layers(prior.network, prior.normalizer, prior.perception, "mixture"), header


def _ensemble(prior: EnsembleNetwork) -> tuple[dict[str, Tensor], DensityHeader]:
    tensors: dict[str, Tensor] = {}
    for index, member in enumerate(cast(Iterable[nn.Sequential], prior.members)):
        tensors |= folded_layers(member, prior.normalizer, prior.perception, f"member{index}")
    return tensors, EnsembleHeader(members=len(prior.members), min_log_sigma=prior.min_log_sigma, **_seen(prior))


def _flow(prior: FlowNetwork) -> tuple[dict[str, Tensor], DensityHeader]:
    tensors = folded_layers(prior.network, prior.normalizer, prior.perception, "features")
    kept: list[tuple[float, ...]] = []
    for index, coupling in enumerate(cast(Iterable[Coupling], prior.couplings)):
        tensors |= linear_layers(coupling.scale, f"scale{index}") | linear_layers(coupling.shift, f"shift{index}")
        kept.append(tuple(coupling.kept.tolist()))
    return tensors, FlowHeader(kept=tuple(kept), **_seen(prior))
