"""Exports decoders for NumPy inference, with normalisation and BatchNorm folded in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spirl_cli.clips.reader import Clips
from spirl_cli.inference.network_file import DecoderHeader
from spirl_cli.skills.folded_layers import folded_layers, seen_indices, write_tensors
from spirl_cli.skills.models import ClosedLoopDecoder, OpenLoopDecoder, SkillModel
from spirl_cli.skills.networks import ActionScale


def export_decoder(path: Path, model: SkillModel, clips: Clips) -> None:
    """Write a skill model's decoder, with the action bounds of its data."""
    decoder = model.decoder
    if isinstance(decoder, ClosedLoopDecoder):
        tensors = folded_layers(decoder.network, model.normalizer, model.perception, "decoder", model.action_scale)
    else:
        assert isinstance(decoder, OpenLoopDecoder)
        tensors = _open_loop_tensors(decoder, model.action_scale)
    header = DecoderHeader(
        kind=model.section.model,
        horizon=model.section.horizon,
        latent_dim=model.section.latent_dim,
        state_dim=clips.observation_dim,
        action_low=_numbers(clips.action_low),
        action_high=_numbers(clips.action_high),
        state_indices=seen_indices(model.perception),
        image_shape=model.perception.image_shape,
    )
    write_tensors(path, tensors, header)


def export_primitive_decoder(path: Path, clips: Clips) -> None:
    """Write the decoder of primitive actions, which has no weights."""
    header = DecoderHeader(
        kind="primitive",
        horizon=1,
        latent_dim=clips.action_dim,
        state_dim=clips.observation_dim,
        action_low=_numbers(clips.action_low),
        action_high=_numbers(clips.action_high),
    )
    write_tensors(path, {"none": torch.zeros(1)}, header)


def _numbers(bound: np.ndarray) -> tuple[float, ...]:
    return tuple(np.asarray(bound, float).tolist())


def _open_loop_tensors(decoder: OpenLoopDecoder, scale: ActionScale | None) -> dict[str, Tensor]:
    """Return the layers of a decoder that answers in true units and is fed its own answers in these units."""
    cell = decoder.cell
    tensors: dict[str, Tensor] = {
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
    return tensors if scale is None else {**tensors, **_in_true_units(tensors, scale)}


def _in_true_units(tensors: dict[str, Tensor], scale: ActionScale) -> dict[str, Tensor]:
    """Return the layers that actions enter or leave by, with the units of the actions folded in."""
    centre, span, embed = scale.centre, scale.span, tensors["embed/weight"]
    actions = len(centre)
    entering = embed[:actions] / span.unsqueeze(1)
    return {
        "first_action": centre + span * tensors["first_action"],
        "embed/weight": torch.cat([entering, embed[actions:]]),
        "embed/bias": tensors["embed/bias"] - centre @ entering,
        "head/weight": tensors["head/weight"] * span,
        "head/bias": centre + span * tensors["head/bias"],
    }
