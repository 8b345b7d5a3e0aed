"""Made-up exported networks of every kind with random weights, without torch."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from spirl_cli.inference.network_file import (
    DecoderHeader,
    EnsembleHeader,
    FlowHeader,
    GaussianHeader,
    Header,
    MixtureHeader,
    write_network,
)

STATE_DIM, LATENT_DIM, ACTION_DIM, HORIZON = 5, 2, 3, 4
IMAGE = (8, 8, 3)
PIXELS, FEATURES, WIDTH, CELLS = 192, 6, 7, 4
KINDS = ("closed-loop", "image", "open-loop", "primitive", "gaussian", "bounds", "mixture", "ensemble", "flow")

Tensors = dict[str, np.ndarray]


def write_made_network(path: Path, kind: str) -> Header:
    """Write a network of a kind; "image" is a decoder, "bounds" a policy, with what they are named after."""
    header, tensors = made_network(kind)
    write_network(path, tensors, header)
    return header


def made_network(kind: str) -> tuple[Header, Tensors]:
    """Return the header and the tensors of a network."""
    if kind in ("closed-loop", "image", "open-loop", "primitive"):
        return _decoder(kind)
    return _density(kind)


def _decoder(kind: str) -> tuple[Header, Tensors]:
    looks = kind == "image"
    latent_dim = ACTION_DIM if kind == "primitive" else LATENT_DIM
    header = DecoderHeader(
        kind="closed-loop" if looks else kind,  # type: ignore[arg-type]
        horizon=1 if kind == "primitive" else HORIZON,
        latent_dim=latent_dim,
        state_dim=STATE_DIM,
        action_low=(-1.0, -0.5, -1.0),
        action_high=(1.0, 0.5, 2.0),
        state_indices=(1, 3) if looks else None,
        image_shape=IMAGE if looks else None,
    )
    if kind == "primitive":
        return header, {"none": np.zeros(1, np.float32)}
    if kind == "open-loop":
        return header, _plan()
    seen = 2 + FEATURES if looks else STATE_DIM
    return header, _mlp("decoder", seen + LATENT_DIM, WIDTH, ACTION_DIM) | (_image() if looks else {})


def _density(kind: str) -> tuple[Header, Tensors]:
    if kind == "mixture":
        header: Header = MixtureHeader(components=3, min_log_sigma=-2.0, state_dim=STATE_DIM)
        return header, _mlp("mixture", STATE_DIM, WIDTH, 3 * (1 + 2 * LATENT_DIM))
    if kind == "ensemble":
        members = [_mlp(f"member{index}", STATE_DIM, WIDTH, 2 * LATENT_DIM) for index in range(2)]
        return EnsembleHeader(members=2, min_log_sigma=-2.0, state_dim=STATE_DIM), members[0] | members[1]
    if kind == "flow":
        tensors = _mlp("features", STATE_DIM, WIDTH, WIDTH)
        for name in ("scale0", "shift0", "scale1", "shift1"):
            tensors |= _mlp(name, LATENT_DIM + WIDTH, WIDTH, LATENT_DIM)
        return FlowHeader(kept=((1.0, 0.0), (0.0, 1.0)), state_dim=STATE_DIM), tensors
    header = GaussianHeader(min_log_sigma=-2.0, state_dim=STATE_DIM, state_indices=(0, 2, 4))
    if kind == "bounds":
        header = GaussianHeader(
            min_log_sigma=-2.0, squash="bounds", bounds=((-1.0, -2.0), (1.0, 2.0)), state_dim=3, state_indices=None
        )
    return header, _mlp("gaussian", 3, WIDTH, 2 * LATENT_DIM)


def _plan() -> Tensors:
    shapes = {
        "first_action": (ACTION_DIM,),
        "first_state": (2, CELLS),
        "embed/weight": (ACTION_DIM + LATENT_DIM, WIDTH),
        "embed/bias": (WIDTH,),
        "cell/input": (WIDTH, 4 * CELLS),
        "cell/hidden": (CELLS, 4 * CELLS),
        "cell/bias": (4 * CELLS,),
        "head/weight": (CELLS, ACTION_DIM),
        "head/bias": (ACTION_DIM,),
    }
    return {name: _random(name, *shape) for name, shape in shapes.items()}


def _image() -> Tensors:
    return {
        "image/0/weight": _random("image/0", 4 * 4 * IMAGE[2], 5),
        "image/0/bias": _random("image/0/bias", 5),
        "image/features/weight": _random("features", 4 * 4 * 5, FEATURES),
        "image/features/bias": _random("features/bias", FEATURES),
    }


def _mlp(prefix: str, *sizes: int) -> Tensors:
    tensors: Tensors = {}
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        tensors[f"{prefix}/{layer}/weight"] = _random(prefix, inputs, outputs)
        tensors[f"{prefix}/{layer}/bias"] = _random(prefix, outputs)
    return tensors


def _random(name: str, *shape: int) -> np.ndarray:
    return np.random.default_rng(list(name.encode())).normal(size=shape).astype(np.float32)
