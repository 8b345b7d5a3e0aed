"""Files of exported networks: a typed header that describes the network, and its tensors.

A file is a safetensors file whose metadata holds the header as JSON under "network". `read_header` reads only
the first bytes of a file; `read_tensors` reads the rest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json
from safetensors import safe_open
from safetensors.numpy import save

from spirl_cli.errors import ArtifactError
from spirl_cli.files import write_whole

Array = NDArray[np.floating[Any]]  # all tensors are float32
SquashKind = Literal["none", "tanh", "consistent-tanh", "bounds"]

MAX_HEADER_BYTES = 2**24  # bytes; far more than any network needs
LARGEST = float(np.finfo(np.float32).max)

Size = Annotated[int, Field(ge=1, lt=2**31)]
Index = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class NetworkHeader:
    """Header of a network of any kind: the parts of an observation that it sees.

    Attributes:
        state_dim: D, size of the state; None in older files of densities, which see the whole state.
        state_indices: indices of the visible numbers of the state; None for all.
        image_shape: rows, columns and channels of the visible image; None without image.
    """

    __pydantic_config__ = ConfigDict(strict=True)

    state_dim: Size | None = None
    state_indices: tuple[Index, ...] | None = None
    image_shape: tuple[Size, Size, Size] | None = None

    def __post_init__(self) -> None:
        """Check that the fields fit together.

        Raises:
            ValueError: they contradict each other.
        """
        if self.state_dim is None and (self.state_indices or self.image_shape):
            raise ValueError("state_dim is missing beside state_indices or image_shape")
        if self.state_indices and max(self.state_indices) >= (self.state_dim or 0):
            raise ValueError(f"state_indices do not fit a state of {self.state_dim} numbers")

    @property
    def looks_at_states(self) -> bool:
        """Whether the network's output depends on the observation."""
        return True

    @property
    def pixels(self) -> int:
        """P, number of pixels of the image that the network sees; 0 if it sees none."""
        return 0 if self.image_shape is None else math.prod(self.image_shape)


@dataclass(frozen=True, kw_only=True)
class DecoderHeader(NetworkHeader):
    """Header of a decoder.

    Attributes:
        horizon: H, steps per skill.
        latent_dim: K.
        action_low, action_high: bounds of the demonstrations' actions `(A,)`.
    """

    kind: Literal["closed-loop", "open-loop", "primitive"]
    horizon: Size
    latent_dim: Size
    state_dim: Size = field()
    action_low: tuple[Number, ...]
    action_high: tuple[Number, ...]

    def __post_init__(self) -> None:
        """Check that the fields fit together.

        Raises:
            ValueError: they contradict each other.
        """
        super().__post_init__()
        _check_bounds("action_low, action_high", self.action_low, self.action_high)
        if self.kind == "primitive" and self.latent_dim != self.action_dim:
            raise ValueError(f"primitive skills of size {self.latent_dim} for actions of size {self.action_dim}")

    @property
    def action_dim(self) -> int:
        """A."""
        return len(self.action_low)

    @property
    def looks_at_states(self) -> bool:
        """Whether the actions depend on the observation."""
        return self.kind == "closed-loop"


@dataclass(frozen=True, kw_only=True)
class GaussianHeader(NetworkHeader):
    """A Gaussian prior or policy.

    Attributes:
        min_log_sigma: lower clamp of log σ.
        squash: map from samples to skills, see `densities.squash`.
        bounds: lowest and highest action `(2, K)` for the squash "bounds".
    """

    kind: Literal["gaussian"] = "gaussian"
    min_log_sigma: Number
    squash: SquashKind = "none"
    bounds: tuple[tuple[Number, ...], tuple[Number, ...]] | None = None

    def __post_init__(self) -> None:
        """Check that the fields fit together.

        Raises:
            ValueError: they contradict each other.
        """
        super().__post_init__()
        if self.bounds is not None:
            _check_bounds("bounds", *self.bounds)
        elif self.squash == "bounds":
            raise ValueError("bounds are missing, which the squash needs")


@dataclass(frozen=True, kw_only=True)
class MixtureHeader(NetworkHeader):
    """A mixture of M Gaussians, prior or policy."""

    kind: Literal["mixture"] = "mixture"
    components: Size
    min_log_sigma: Number


@dataclass(frozen=True, kw_only=True)
class EnsembleHeader(NetworkHeader):
    """An ensemble of M Gaussian priors."""

    kind: Literal["ensemble"] = "ensemble"
    members: Annotated[int, Field(ge=2, lt=2**31)]
    min_log_sigma: Number


@dataclass(frozen=True, kw_only=True)
class FlowHeader(NetworkHeader):
    """A conditional RealNVP flow.

    Attributes:
        kept: 1 for a number of the skill that a coupling keeps, 0 for one that it moves, `(blocks, K)`.
    """

    kind: Literal["flow"] = "flow"
    kept: tuple[tuple[Number, ...], ...]

    def __post_init__(self) -> None:
        """Check that the fields fit together.

        Raises:
            ValueError: they contradict each other.
        """
        super().__post_init__()
        if not self.kept or not self.kept[0] or len({len(row) for row in self.kept}) != 1:
            raise ValueError("kept is no matrix")


DensityHeader = GaussianHeader | MixtureHeader | EnsembleHeader | FlowHeader
Header = DecoderHeader | DensityHeader
_HEADERS: TypeAdapter[Header] = TypeAdapter(Annotated[Header, Field(discriminator="kind")])


@dataclass(frozen=True)
class NetworkTensors:
    """The tensors of a file; their shapes are checked when they are taken."""

    path: Path
    values: Mapping[str, Array]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def take(self, name: str, *shape: int | None) -> Array:
        """Return a tensor.

        Args:
            name: name of the tensor.
            shape: shape that it must have; None stands for any size.

        Raises:
            ArtifactError: there is no such tensor, or it has another shape or type.
        """
        if name not in self.values:
            self.refuse(f"the tensor {name} is missing")
        tensor = self.values[name]
        fits = len(tensor.shape) == len(shape) and all(
            wanted in (None, size) for wanted, size in zip(shape, tensor.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            self.refuse(f"the tensor {name} has the shape {tensor.shape}, not ({wanted})")
        if tensor.dtype != np.float32:
            self.refuse(f"the tensor {name} is of the type {tensor.dtype}, not float32")
        return np.ascontiguousarray(tensor)

    def refuse(self, reason: str) -> NoReturn:
        """Raise the error of a file that contradicts its header.

        Raises:
            ArtifactError: always.
        """
        raise unreadable(self.path, reason)


def read_header(path: Path) -> Header:
    """Return the header of an exported network file; no tensor is read.

    Raises:
        ArtifactError: the file is not a network that spirl exported.
    """
    try:
        return _HEADERS.validate_json(_stored_header(path))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise unreadable(path, f"{place}: {first['msg']}" if place else first["msg"]) from error
    except (OSError, ValueError, RecursionError) as error:
        raise unreadable(path, error) from error


def read_decoder_header(path: Path) -> DecoderHeader:
    """Return the header of `decoder.safetensors`.

    Raises:
        ArtifactError: the file is not a decoder that spirl exported.
    """
    header = read_header(path)
    if not isinstance(header, DecoderHeader):
        raise ArtifactError(f"{path} holds a network of the kind '{header.kind}', which is no decoder")
    return header


def read_tensors(path: Path) -> NetworkTensors:
    """Return the tensors of an exported network file.

    Raises:
        ArtifactError: the file is not a safetensors file.
    """
    try:
        with safe_open(str(path), framework="numpy") as file:
            return NetworkTensors(path, {name: file.get_tensor(name) for name in file.keys()})
    except Exception as error:  # the library does not document its exceptions
        raise unreadable(path, error) from error


def write_network(path: Path, tensors: Mapping[str, Array], header: Header) -> None:
    """Write tensors and header as one safetensors file."""
    contiguous = {name: np.ascontiguousarray(tensor, np.float32) for name, tensor in tensors.items()}
    write_whole(path, save(contiguous, {"network": encode_header(header)}))


def encode_header(header: Header) -> str:
    """Return the JSON of a header.

    Fields that are None are left out, except those of visible parts. Primitive skills see nothing.
    """
    sees = {"state_dim", "state_indices", "image_shape"} if header.kind != "primitive" else set()
    stored = {name: value for name, value in asdict(header).items() if value is not None or name in sees}
    return json.dumps(stored, sort_keys=True)


def unreadable(path: Path, reason: object) -> ArtifactError:
    """Return the error of a file that is no exported network."""
    return ArtifactError(f"{path} cannot be read as a network: {reason}")


def _stored_header(path: Path) -> str:
    """Return the JSON under "network" from the first bytes of a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file does not begin like a safetensors file with such an entry.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > MAX_HEADER_BYTES:
            raise ValueError(f"its header of {size} bytes is too large")
        table = from_json(file.read(size), allow_inf_nan=False)
    metadata = table.get("__metadata__") if isinstance(table, dict) else None
    stored = metadata.get("network") if isinstance(metadata, dict) else None
    if not isinstance(stored, str):
        raise ValueError("its header does not describe a network")
    return stored


def _check_bounds(name: str, low: tuple[float, ...], high: tuple[float, ...]) -> None:
    if not low or len(low) != len(high) or any(a > b for a, b in zip(low, high, strict=True)):
        raise ValueError(f"{name} are no lowest and highest actions")
