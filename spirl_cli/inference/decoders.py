"""Frozen decoders in NumPy: skills → actions.

Environment workers and deployed agents need only these. They save the import of torch (1.4 s and 200 MB per process),
and a forward pass takes some 30 µs for a state and some 100 µs for an image. The export of a network folds
normalisation and BatchNorm into the layers, so the input is a raw observation (D+P,): D numbers of the state, then the
P pixels of the image if there is one.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from spirl_cli.errors import ArtifactError
from spirl_cli.inference.mlp import NumpyMLP
from spirl_cli.inference.network_file import (
    Array,
    DecoderHeader,
    NetworkTensors,
    read_decoder_header,
    read_tensors,
)
from spirl_cli.inference.perception import NumpyPerception


class SkillDecoder(Protocol):
    """A frozen p(a_t | s_t, z) or p(a_1..H | z) that decodes one skill at a time."""

    latent_dim: int  # K
    horizon: int  # H

    def begin(self, latent: np.ndarray) -> None:
        """Start a skill z `(K,)`."""

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return the skill's next action `(A,)`, without clipping, for the observation `(D+P,)`."""


class ClosedLoopDecoder:
    """p(a | s, z): one MLP pass per primitive step."""

    def __init__(self, header: DecoderHeader, tensors: NetworkTensors) -> None:
        self.latent_dim, self.horizon = header.latent_dim, header.horizon
        self.perception = NumpyPerception.from_file(header, tensors)
        seen = self.perception.size
        inputs = None if seen is None else seen + self.latent_dim
        self.network = NumpyMLP.from_tensors(tensors, "decoder", inputs, header.action_dim)
        self._latent: Array = np.zeros(self.latent_dim, np.float32)

    def begin(self, latent: Array) -> None:
        """Start the skill z `(K,)`."""
        self._latent = _skill(latent, self.latent_dim)

    def act(self, observation: Array) -> Array:
        """Return the unclipped action `(A,)` for an observation `(D+P,)`."""
        return self.network(np.concatenate([self.perception(observation), self._latent], dtype=np.float32))


class OpenLoopDecoder:
    """p(a_1..H | z): an LSTM whose input is the previous action; it ignores the state."""

    def __init__(self, header: DecoderHeader, tensors: NetworkTensors) -> None:
        self.latent_dim, self.horizon = header.latent_dim, header.horizon
        self.tensors = _plan_tensors(header, tensors)
        self.begin(np.zeros(self.latent_dim, np.float32))

    def begin(self, latent: Array) -> None:
        """Start the skill z `(K,)`."""
        self._latent = _skill(latent, self.latent_dim)
        self._action = self.tensors["first_action"]
        self._hidden, self._cell = self.tensors["first_state"]

    def act(self, observation: Array) -> Array:
        """Return the plan's next unclipped action `(A,)`."""
        tensors = self.tensors
        inputs = np.concatenate([self._action, self._latent]) @ tensors["embed/weight"] + tensors["embed/bias"]
        gates = inputs @ tensors["cell/input"] + self._hidden @ tensors["cell/hidden"] + tensors["cell/bias"]
        entry, forget, candidate, output = np.split(gates, 4)  # torch's order: i, f, g, o
        self._cell = _sigmoid(forget) * self._cell + _sigmoid(entry) * np.tanh(candidate)
        self._hidden = _sigmoid(output) * np.tanh(self._cell)
        self._action = self._hidden @ tensors["head/weight"] + tensors["head/bias"]
        return self._action


class PrimitiveDecoder:
    """Skills that are actions: z = a, horizon 1.

    Args:
        action_dim: A.
    """

    def __init__(self, action_dim: int) -> None:
        self.latent_dim, self.horizon = action_dim, 1
        self._latent: Array = np.zeros(self.latent_dim, np.float32)

    def begin(self, latent: Array) -> None:
        """Store the action `(A,)`."""
        self._latent = _skill(latent, self.latent_dim)

    def act(self, observation: Array) -> Array:
        """Return the stored action."""
        return self._latent


class SquashedDecoder:
    """A decoder with actions that are squashed by tanh, although it was trained without, as published.

    Args:
        decoder: the decoder; the input of an open-loop one is still its unsquashed action.
    """

    def __init__(self, decoder: SkillDecoder) -> None:
        self.latent_dim, self.horizon, self._decoder = decoder.latent_dim, decoder.horizon, decoder

    def begin(self, latent: np.ndarray) -> None:
        """Start the skill z `(K,)`."""
        self._decoder.begin(latent)

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return the action `(A,)` within ±1 for an observation `(D+P,)`."""
        action: np.ndarray = np.tanh(self._decoder.act(observation))
        return action

    def __copy__(self) -> Self:
        """Return a decoder that shares the weights and runs its own skill."""
        return type(self)(copy.copy(self._decoder))


@dataclass(frozen=True)
class DecoderFile:
    """The decoder file of an artifact, and how the artifact uses it.

    Attributes:
        path: the exported network; artifacts of one recipe may share it.
        squashed: whether tanh squashes the actions (parity with published agents).
    """

    path: Path
    squashed: bool = False

    @classmethod
    def of(cls, path: Path, parameters: Mapping[str, Any]) -> Self:
        """Return the skills of an agent or of an evaluation.

        Args:
            path: the exported network.
            parameters: parameters of the stage, from a manifest.

        Raises:
            ArtifactError: the parameters are incomplete.
        """
        try:
            return cls(path, bool(parameters["train_rl"]["parity"]["tanh_actions"]))
        except (KeyError, TypeError) as error:
            raise ArtifactError(f"the parameters of the stage that acts with {path} are incomplete") from error

    @property
    def header(self) -> DecoderHeader:
        """Header of the file: everything about the skills but the weights."""
        return read_decoder_header(self.path)

    def load(self) -> SkillDecoder:
        """Read the decoder.

        Raises:
            ArtifactError: the file is not a decoder that spirl exported.
        """
        return self.with_squash(load_decoder(self.path))

    def with_squash(self, decoder: SkillDecoder) -> SkillDecoder:
        """Return the decoder, squashed if this file's actions are squashed."""
        return SquashedDecoder(decoder) if self.squashed else decoder


def load_decoder(path: Path) -> SkillDecoder:
    """Read the decoder of a skills or agent artifact (`decoder.safetensors`), whose actions are not squashed.

    Raises:
        ArtifactError: the file is not a decoder that spirl exported.
    """
    header = read_decoder_header(path)
    if header.kind == "primitive":
        return PrimitiveDecoder(header.action_dim)
    tensors = read_tensors(path)
    return ClosedLoopDecoder(header, tensors) if header.kind == "closed-loop" else OpenLoopDecoder(header, tensors)


def _skill(latent: np.ndarray, latent_dim: int) -> Array:
    """Return z `(K,)` as float32.

    Raises:
        ArtifactError: the skill has another size, so the policy belongs to another decoder.
    """
    if np.shape(latent) != (latent_dim,):
        raise ArtifactError(
            f"the decoder acts out skills of shape {(latent_dim,)}, not {np.shape(latent)}",
            "use a policy or prior that was trained on these skills",
        )
    return np.asarray(latent, np.float32)


def _plan_tensors(header: DecoderHeader, tensors: NetworkTensors) -> dict[str, Array]:
    """Return the tensors of an open-loop decoder with C cells."""
    cells = tensors.take("cell/hidden", None, None).shape[0]
    width = tensors.take("embed/weight", header.action_dim + header.latent_dim, None).shape[1]
    shapes: dict[str, tuple[int, ...]] = {
        "first_action": (header.action_dim,),
        "first_state": (2, cells),
        "embed/weight": (header.action_dim + header.latent_dim, width),
        "embed/bias": (width,),
        "cell/input": (width, 4 * cells),
        "cell/hidden": (cells, 4 * cells),
        "cell/bias": (4 * cells,),
        "head/weight": (cells, header.action_dim),
        "head/bias": (header.action_dim,),
    }
    return {name: tensors.take(name, *shape) for name, shape in shapes.items()}


def _sigmoid(values: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * values))
