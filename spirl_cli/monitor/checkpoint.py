"""Checkpoints: safetensors files with tensors and JSON scalars, written whole or not at all.

`monitor/packing.py` turns modules, optimisers and random generators into a `State`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from spirl_cli.errors import ArtifactError, SpirlError
from spirl_cli.files import TEMPORARY_SUFFIX, make_folder
from spirl_cli.payload import CHECKPOINTS, checkpoint_file, checkpoint_steps
from spirl_cli.seals import remove_sealed, write_sealed

FORMAT_VERSION = 1
_METADATA_KEY = "spirl"  # a single key, since safetensors does not fix the order of several


@dataclass
class State:
    """Everything that a run needs for an identical continuation.

    `scalars` holds plain JSON values only (None, bool, int of any size, float, str, list, dict with str keys). They
    are restored bit for bit, non-finite floats included.
    """

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    scalars: dict[str, Any] = field(default_factory=dict)


def merge(*parts: State) -> State:
    """Join parts into one state; raise `ValueError` if two parts share a name."""
    whole = State()
    for part in parts:
        shared = (whole.tensors.keys() & part.tensors.keys()) | (whole.scalars.keys() & part.scalars.keys())
        if shared:
            raise ValueError(f"two parts of a state share the name {sorted(shared)[0]!r}")
        whole.tensors.update(part.tensors)
        whole.scalars.update(part.scalars)
    return whole


def write_state(path: Path, state: State) -> None:
    """Write `state` to `path` atomically and durably (temporary sibling, fsync, rename).

    Raises:
        TypeError: a scalar is not a plain JSON value, so it could not be restored unchanged.
        SpirlError: the file cannot be written; an earlier file at `path` stays.
    """
    _require_plain(state.scalars, "scalars")
    # Copies, since safetensors refuses tensors that share memory.
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.tensors.items()}
    content = json.dumps(state.scalars)
    header = {"format": FORMAT_VERSION, "scalars": content, "sha256": _digest(tensors, content)}
    try:
        # not `save_file`, which denies other users reading
        write_sealed(path, save(tensors, {_METADATA_KEY: json.dumps(header)}))
    except (OSError, SafetensorError) as error:
        message = f"Cannot write {path}: {error}. The checkpoint before it is kept."
        raise SpirlError(message, "Make room on the disk, then run the same command again to resume.") from error


def read_state(path: Path) -> State:
    """Read a file of `write_state`; tensors are on the CPU, in separate memory.

    Raises:
        ArtifactError: the file is missing, truncated, altered (checksum), foreign, or was
            written by a newer spirl.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[_METADATA_KEY])
            # Copies, since memory-mapped tensors have another alignment and vanish with the file.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
        written_by, content, checksum = int(header["format"]), header["scalars"], header["sha256"]
        intact = checksum == _digest(tensors, content)
        scalars = json.loads(content)
    except Exception as error:  # of a file that a stranger wrote, the libraries do not say what they raise
        raise ArtifactError(f"{path} is no readable checkpoint ({type(error).__name__}: {error}).") from error
    if written_by > FORMAT_VERSION:
        raise ArtifactError(f"{path} was written by a newer spirl (format {written_by}).", "Upgrade spirl.")
    if not intact:
        raise ArtifactError(f"{path} is corrupt: its content does not match its checksum.")
    if not isinstance(scalars, dict):
        raise ArtifactError(f"{path} is no readable checkpoint: its scalars are no mapping.")
    return State(tensors, scalars)


class CheckpointFolder:
    """The newest `keep` checkpoints of one run, as `checkpoint-<step>.safetensors`.

    Args:
        folder: folder of the checkpoints; saving creates it.
        keep: number of checkpoints to keep; with 2, a run can resume even if the newest one is damaged.
        warn: receives a message for every checkpoint that cannot be read.
    """

    def __init__(self, folder: Path, keep: int = 2, warn: Callable[[str], None] = lambda text: None) -> None:
        if keep < 1:
            raise ValueError(f"keep must be at least 1, not {keep}")
        self.folder = folder
        self.keep = keep
        self._warn = warn

    def save(self, state: State, step: int) -> Path:
        """Write the state after `step` completed steps, then remove too old checkpoints."""
        make_folder(self.folder)
        path = self._path(step)
        write_state(path, state)
        self._prune(newest=step)
        return path

    def latest(self) -> tuple[int, State] | None:
        """Return the newest readable checkpoint as `(step, state)`, or None."""
        return next(self.readable(), None)

    def readable(self) -> Iterator[tuple[int, State]]:
        """Yield `(step, state)` from the newest to the oldest; skip unreadable ones with a warning."""
        for step in reversed(self.steps()):
            try:
                state = read_state(self._path(step))
            except ArtifactError as error:
                self._warn(f"{error.message} It is skipped.")
            else:
                yield step, state

    def steps(self) -> list[int]:
        """Return the steps of all checkpoint files, ascending, readable or not."""
        return checkpoint_steps(path.name for path in self.folder.glob(CHECKPOINTS))

    def discard_after(self, step: int) -> None:
        """Remove checkpoints after `step`, since a run that goes on from `step` replaces them."""
        for later in self.steps():
            if later > step:
                remove_sealed(self._path(later))

    def _prune(self, newest: int) -> None:
        older = [step for step in self.steps() if step != newest]
        for step in older[: max(0, len(older) - (self.keep - 1))]:
            remove_sealed(self._path(step))
        for leftover in self.folder.glob(f".{CHECKPOINTS}*{TEMPORARY_SUFFIX}"):
            leftover.unlink(missing_ok=True)

    def _path(self, step: int) -> Path:
        return self.folder / checkpoint_file(step)


def _digest(tensors: Mapping[str, torch.Tensor], content: str) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of contiguous CPU tensors, and the scalars."""
    digest = hashlib.sha256(content.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        if tensor.numel():
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _require_plain(value: object, place: str) -> None:
    """Refuse values that JSON silently changes (tuples, integer keys) or cannot hold (arrays)."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{place} has the key {key!r}; keys of a state's scalars are strings")
            _require_plain(item, f"{place}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _require_plain(item, f"{place}[{index}]")
    elif value is not None and not isinstance(value, bool | int | float | str):
        raise TypeError(f"{place} is a {type(value).__name__}, which does not survive JSON unchanged")
