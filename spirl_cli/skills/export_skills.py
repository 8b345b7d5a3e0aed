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
from safetensors.torch import save
from torch import Tensor, nn

from spirl_cli.clips.reader import Clips
from spirl_cli.skills.models import ClosedLoopDecoder, OpenLoopDecoder, SkillModel
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import GaussianNetwork
from spirl_cli.skills.vision import ImageEncoder, Perception


def export_decoder(path: Path, model: SkillModel, clips: Clips) -> None:
    """Write a skill model's decoder, with the action bounds of its data."""
    decoder = model.decoder
    if isinstance(decoder, ClosedLoopDecoder):
        tensors = folded_layers(decoder.network, model.normalizer, model.perception, "decoder")
    else:
        assert isinstance(decoder, OpenLoopDecoder)
        tensors = _open_loop_tensors(decoder)
    section = model.section
    header = decoder_header(section.model, section.horizon, section.latent_dim, clips)
    write_network(path, tensors, {**header, **seen_header(model.perception)})


def export_primitive_decoder(path: Path, clips: Clips) -> None:
    """Write the decoder of primitive actions, which has no weights."""
    header = decoder_header("primitive", 1, clips.action_dim, clips)
    write_network(path, {"none": torch.zeros(1)}, header)


def export_gaussian(path: Path, network: GaussianNetwork, squash: str = "none", bounds: Tensor | None = None) -> None:
    """Write a Gaussian prior or a policy; ``bounds`` (2, K) are those that it is squashed into, if any."""
    header = {"kind": "gaussian", "min_log_sigma": network.min_log_sigma, "squash": squash}
    if bounds is not None:
        header["bounds"] = bounds.tolist()
    tensors = folded_layers(network.network, network.normalizer, network.perception, "gaussian")
    write_network(path, tensors, {**header, **seen_header(network.perception)})


def decoder_header(kind: str, horizon: int, latent_dim: int, clips: Clips) -> dict[str, Any]:
    """Return what an agent must know beside the weights."""
    return {
        "kind": kind,
        "horizon": horizon,
        "latent_dim": latent_dim,
        "state_dim": clips.observation_dim,
        "action_low": np.asarray(clips.action_low, float).tolist(),
        "action_high": np.asarray(clips.action_high, float).tolist(),
    }


def seen_header(perception: Perception) -> dict[str, Any]:
    """Return what a network sees of an observation: D, which of these numbers (null: all), and the image's shape."""
    return {
        "state_dim": perception.state_dim,
        "state_indices": None if perception.sees_all else perception.indices.tolist(),
        "image_shape": None if perception.image_shape is None else list(perception.image_shape),
    }


def write_network(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and header as one safetensors file."""
    contiguous = {name: tensor.detach().float().contiguous() for name, tensor in tensors.items()}
    path.write_bytes(save(contiguous, {"network": json.dumps(header, sort_keys=True)}))


def folded_layers(
    network: nn.Sequential, normalizer: Normalizer, perception: Perception, prefix: str
) -> dict[str, Tensor]:
    """Linear layers (inputs, outputs) with BatchNorm and, in the first one, the normaliser folded in.

    The normaliser covers the first inputs (the numbers of the state that are seen); what follows
    them (features of the image, the skill) enters as it is. The image encoder's layers come along.
    """
    layers = _folded(network)
    weight, bias = layers[0]
    mean, scale = normalizer.mean[perception.indices].double(), normalizer.scale[perception.indices].double()
    weight = weight.clone()
    weight[:, : len(mean)] *= scale
    layers[0] = (weight, bias - weight[:, : len(mean)] @ mean)
    tensors = {
        f"{prefix}/{index}/{name}": tensor
        for index, (weight, bias) in enumerate(layers)
        for name, tensor in (("weight", weight.T), ("bias", bias))
    }
    return tensors if perception.image is None else {**tensors, **_image_tensors(perception.image)}


def _image_tensors(image: ImageEncoder) -> dict[str, Tensor]:
    """Convolutions as matrices (kernel row · kernel column · inputs, outputs), and the layer of the features."""
    tensors = {"image/features/weight": image.features.weight.T, "image/features/bias": image.features.bias}
    for index, (weight, bias) in enumerate(_folded(image.convolutions)):
        tensors[f"image/{index}/weight"] = weight.permute(2, 3, 1, 0).flatten(0, 2)
        tensors[f"image/{index}/bias"] = bias
    return tensors


def _folded(network: nn.Sequential) -> list[tuple[Tensor, Tensor]]:
    """Weight (outputs, inputs, ...) and bias of each linear layer or convolution, BatchNorm folded in."""
    layers: list[tuple[Tensor, Tensor]] = []
    for module in network:
        if isinstance(module, nn.Linear | nn.Conv2d):
            assert module.bias is not None
            layers.append((module.weight.detach().double(), module.bias.detach().double()))
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            layers[-1] = _fold_batch_norm(*layers[-1], module)
    return layers


def _fold_batch_norm(weight: Tensor, bias: Tensor, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None and norm.running_var is not None
    gain = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    shifted = (bias - norm.running_mean.double()) * gain + norm.bias.detach().double()
    return weight * gain.reshape(-1, *[1] * (weight.ndim - 1)), shifted


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
