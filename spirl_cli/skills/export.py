"""Torch networks → files for NumPy inference, with normalisation and BatchNorm folded in.

Each file is a safetensors file whose header (JSON under "network") says what it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from spirl_cli.clips import Clips
from spirl_cli.skills.models import ClosedLoopDecoder, OpenLoopDecoder, SkillModel
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import GaussianNetwork


def export_decoder(path: Path, model: SkillModel, clips: Clips) -> None:
    """Write a skill model's decoder, with the action bounds of its data."""
    decoder = model.decoder
    if isinstance(decoder, ClosedLoopDecoder):
        tensors = folded_layers(decoder.network, model.normalizer, "decoder")
    else:
        assert isinstance(decoder, OpenLoopDecoder)
        tensors = _open_loop_tensors(decoder)
    section = model.section
    write_network(path, tensors, decoder_header(section.model, section.horizon, section.latent_dim, clips))


def export_primitive_decoder(path: Path, clips: Clips) -> None:
    """Write the decoder of primitive actions, which has no weights."""
    header = decoder_header("primitive", 1, clips.action_dim, clips)
    write_network(path, {"none": torch.zeros(1)}, header)


def export_gaussian(path: Path, network: GaussianNetwork, squash: str = "none") -> None:
    """Write a prior or a policy."""
    header = {"kind": "gaussian", "min_log_sigma": network.min_log_sigma, "squash": squash}
    write_network(path, folded_layers(network.network, network.normalizer, "gaussian"), header)


def decoder_header(kind: str, horizon: int, latent_dim: int, clips: Clips) -> dict[str, Any]:
    """What an agent must know beside the weights."""
    return {
        "kind": kind,
        "horizon": horizon,
        "latent_dim": latent_dim,
        "state_dim": clips.observation_dim,
        "action_low": np.asarray(clips.action_low, float).tolist(),
        "action_high": np.asarray(clips.action_high, float).tolist(),
    }


def write_network(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and header as one safetensors file."""
    contiguous = {name: tensor.detach().float().contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, str(path), metadata={"network": json.dumps(header, sort_keys=True)})


def folded_layers(network: nn.Sequential, normalizer: Normalizer, prefix: str) -> dict[str, Tensor]:
    """Linear layers (inputs, outputs) with BatchNorm and, in the first one, the normaliser folded in.

    The normaliser covers the first inputs (the state); what follows it (the skill) enters as it is.
    """
    layers: list[tuple[Tensor, Tensor]] = []
    for module in network:
        if isinstance(module, nn.Linear):
            layers.append((module.weight.detach().double(), module.bias.detach().double()))
        elif isinstance(module, nn.BatchNorm1d):
            layers[-1] = _fold_batch_norm(*layers[-1], module)
    weight, bias = layers[0]
    states = normalizer.size
    weight = weight.clone()
    weight[:, :states] *= normalizer.scale.double()
    layers[0] = (weight, bias - weight[:, :states] @ normalizer.mean.double())
    return {
        f"{prefix}/{index}/{name}": tensor
        for index, (weight, bias) in enumerate(layers)
        for name, tensor in (("weight", weight.T), ("bias", bias))
    }


def _fold_batch_norm(weight: Tensor, bias: Tensor, norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None and norm.running_var is not None
    gain = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    shifted = (bias - norm.running_mean.double()) * gain + norm.bias.detach().double()
    return weight * gain.unsqueeze(1), shifted


def _open_loop_tensors(decoder: OpenLoopDecoder) -> dict[str, Tensor]:
    cell = decoder.cell
    return {
        "first_action": decoder.first_action,
        "first_state": decoder.first_state,
        "embed/weight": decoder.embed.weight.T,
        "embed/bias": decoder.embed.bias,
        "cell/input": cell.weight_ih.T,
        "cell/hidden": cell.weight_hh.T,
        "cell/bias": cell.bias_ih + cell.bias_hh,
        "head/weight": decoder.head.weight.T,
        "head/bias": decoder.head.bias,
    }
