"""Converts torch layers to tensors of an exported network, with normalisation and BatchNorm folded in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from spirl_cli.inference.network_file import Header, write_network
from spirl_cli.skills.networks import ActionScale, Normalizer
from spirl_cli.skills.vision import ImageEncoder, Perception


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Header) -> None:
    """Write an exported network file from torch tensors on any device."""
    write_network(path, {name: tensor.detach().float().cpu().numpy() for name, tensor in tensors.items()}, header)


def seen_indices(perception: Perception) -> tuple[int, ...] | None:
    """Return the indices of the visible numbers of the state, for a header; None for all."""
    return None if perception.sees_all else tuple(perception.indices.tolist())


def linear_layers(network: nn.Sequential, prefix: str) -> dict[str, Tensor]:
    """Return linear layers as matrices `(inputs, outputs)`, with nothing folded in."""
    linear = [module for module in network if isinstance(module, nn.Linear)]
    return _named([(layer.weight, layer.bias) for layer in linear], prefix)


def folded_layers(
    network: nn.Sequential,
    normalizer: Normalizer,
    perception: Perception,
    prefix: str,
    action_scale: ActionScale | None = None,
) -> dict[str, Tensor]:
    """Return linear layers `(inputs, outputs)` with BatchNorm, normaliser and units of actions folded in.

    The normaliser applies to the first inputs, the visible numbers of the state; the other inputs (features of the
    image, the skill) stay unchanged. The result includes the layers of the image encoder.
    """
    layers = _folded(network)
    weight, bias = layers[0]
    mean, scale = normalizer.mean[perception.indices].double(), normalizer.scale[perception.indices].double()
    weight = weight.clone()
    weight[:, : len(mean)] *= scale
    layers[0] = (weight, bias - weight[:, : len(mean)] @ mean)
    if action_scale is not None:
        weight, bias = layers[-1]
        span = action_scale.span.double()
        layers[-1] = (span.unsqueeze(1) * weight, action_scale.centre.double() + span * bias)
    tensors = _named(layers, prefix)
    return tensors if perception.image is None else {**tensors, **_image_tensors(perception.image)}


def _named(layers: Sequence[tuple[Tensor, Tensor]], prefix: str) -> dict[str, Tensor]:
    """Return the weights, as matrices `(inputs, outputs)`, and biases of an MLP by name."""
    return {
        f"{prefix}/{index}/{name}": tensor
        for index, (weight, bias) in enumerate(layers)
        for name, tensor in (("weight", weight.T), ("bias", bias))
    }


def _image_tensors(image: ImageEncoder) -> dict[str, Tensor]:
    """Return convolutions as matrices (kernel row · kernel column · inputs, outputs), and the feature layer."""
    tensors = {"image/features/weight": image.features.weight.T, "image/features/bias": image.features.bias}
    for index, (weight, bias) in enumerate(_folded(image.convolutions)):
        tensors[f"image/{index}/weight"] = weight.permute(2, 3, 1, 0).flatten(0, 2)
        tensors[f"image/{index}/bias"] = bias
    return tensors


def _folded(network: nn.Sequential) -> list[tuple[Tensor, Tensor]]:
    """Return weight `(outputs, inputs, ...)` and bias of each layer or convolution, BatchNorm folded in."""
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
