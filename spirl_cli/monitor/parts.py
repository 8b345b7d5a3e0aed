"""The contents of a checkpoint as one list of named parts, for saving and restoring.

A learner lists its parts once, as `Parts`, which save and restore them. A part finds its own entries in the
whole state by its name, so that the order of entries does not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spirl_cli.errors import ArtifactError
from spirl_cli.monitor.checkpoint import State, merge
from spirl_cli.monitor.packing import (
    pack_generator,
    pack_module,
    pack_numpy_generator,
    pack_optimizer,
    unpack_generator,
    unpack_module,
    unpack_numpy_generator,
    unpack_optimizer,
)


@dataclass(frozen=True)
class Part:
    """One part of a checkpoint.

    Attributes:
        name: name in the checkpoint; tensors are called `NAME/...`.
        save: returns the part's state, from the run's folder.
        restore: restores the part, from the whole state and the run's folder.
    """

    name: str
    save: Callable[[Path], State]
    restore: Callable[[State, Path], None]


class Parts:
    """All parts of a learner, in the order in which they are saved and restored.

    Raises:
        ValueError: two parts have the same name.
    """

    def __init__(self, *parts: Part) -> None:
        names = [part.name for part in parts]
        if len(set(names)) < len(names):
            raise ValueError(f"two parts of a checkpoint have the same name: {names}")
        self.parts = parts

    def state(self, folder: Path) -> State:
        """Return the state of all parts; large data goes into other files in `folder`."""
        return merge(*(part.save(folder) for part in self.parts))

    def restore(self, state: State, folder: Path) -> None:
        """Restore all parts from a saved state.

        Raises:
            ArtifactError: the state lacks a part, or a part does not fit.
        """
        for part in self.parts:
            part.restore(state, folder)


def module_part(name: str, module: torch.nn.Module) -> Part:
    """Make a part of a network's parameters and buffers."""
    return Part(name, lambda _: pack_module(module, name), lambda state, _: unpack_module(module, name, state))


def optimizer_part(name: str, optimizer: torch.optim.Optimizer) -> Part:
    """Make a part of an optimiser's moments and hyperparameters."""
    return Part(
        name, lambda _: pack_optimizer(optimizer, name), lambda state, _: unpack_optimizer(optimizer, name, state)
    )


def generator_part(name: str, generator: torch.Generator) -> Part:
    """Make a part of a torch generator's state."""
    return Part(
        name, lambda _: pack_generator(generator, name), lambda state, _: unpack_generator(generator, name, state)
    )


def numpy_generator_part(name: str, generator: np.random.Generator) -> Part:
    """Make a part of a NumPy generator's state."""
    return Part(
        name,
        lambda _: pack_numpy_generator(generator, name),
        lambda state, _: unpack_numpy_generator(generator, name, state),
    )


def attribute_part(owner: object, name: str) -> Part:
    """Make a part of an object's attribute, which holds a plain JSON value."""
    return scalar_part(name, lambda: getattr(owner, name), lambda value: setattr(owner, name, value))


def scalar_part(name: str, get: Callable[[], Any], put: Callable[[Any], None]) -> Part:
    """Make a part of a plain JSON value; `get` reads it and `put` restores it."""
    return Part(name, lambda _: State(scalars={name: get()}), lambda state, _: put(saved_scalar(state, name)))


def saved_scalar(state: State, name: str) -> Any:
    """Return a plain JSON value of a state.

    Raises:
        ArtifactError: the state does not have it.
    """
    if name not in state.scalars:
        raise ArtifactError(f"The checkpoint has no '{name}'.")
    return state.scalars[name]


def array_part(name: str, array: np.ndarray) -> Part:
    """Make a part of an array that is changed in place."""

    def restore(state: State, folder: Path) -> None:
        saved = state.tensors.get(name)
        if saved is None or saved.shape != array.shape:
            raise ArtifactError(f"The checkpoint has no '{name}' of shape {array.shape}.")
        array[...] = saved.numpy()

    return Part(name, lambda _: State({name: torch.from_numpy(array.copy())}), restore)
