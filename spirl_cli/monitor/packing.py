"""Modules, optimisers and random generators as parts of a checkpoint, and back.

Every `pack_*` returns a `State` with names that begin with `prefix`;
`spirl_cli.monitor.checkpoint.merge` joins such parts. Each object needs its own prefix, and no prefix may be
another one plus a slash and more. Every `unpack_*` restores the object in place from the whole state, bit for bit,
and raises `ArtifactError` if the state does not fit it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from spirl_cli.errors import ArtifactError
from spirl_cli.monitor.checkpoint import State


def pack_module(module: torch.nn.Module, prefix: str) -> State:
    """Return a copy of the module's parameters and buffers."""
    return State({f"{prefix}/{name}": _copy(tensor) for name, tensor in module.state_dict().items()})


def unpack_module(module: torch.nn.Module, prefix: str, state: State) -> None:
    """Restore parameters and buffers; missing ones, unknown ones and wrong shapes are errors."""
    own = _strip(state.tensors, prefix)
    try:
        module.load_state_dict(own, strict=True)
    except RuntimeError as error:
        raise ArtifactError(f"The checkpoint's '{prefix}' does not fit the module: {error}") from error


def pack_optimizer(optimizer: torch.optim.Optimizer, prefix: str) -> State:
    """Return moments, step counts and the hyperparameters of every group (learning rate and others)."""
    content = optimizer.state_dict()
    entries: dict[str, Any] = {f"state/{i}": values for i, values in content["state"].items()}
    entries |= {f"group/{i}": group for i, group in enumerate(content["param_groups"])}
    state = State()
    plain: dict[str, dict[str, Any]] = {}
    for entry, values in entries.items():
        plain[entry] = {}
        for name, value in values.items():
            if isinstance(value, torch.Tensor):
                state.tensors[f"{prefix}/{entry}/{name}"] = _copy(value)
            else:
                plain[entry][name] = list(value) if isinstance(value, tuple) else value
    state.scalars[prefix] = {"type": type(optimizer).__name__, "entries": plain}
    return state


def unpack_optimizer(optimizer: torch.optim.Optimizer, prefix: str, state: State) -> None:
    """Restore an optimiser of the same class over the same parameters in the same order."""
    saved = _scalar(state, prefix)
    if saved["type"] != type(optimizer).__name__:
        message = f"The checkpoint's '{prefix}' is of a {saved['type']}, not of a {type(optimizer).__name__}."
        raise ArtifactError(message)
    entries: dict[str, dict[str, Any]] = {entry: dict(values) for entry, values in saved["entries"].items()}
    if sum(entry.startswith("group/") for entry in entries) != len(optimizer.param_groups):
        raise ArtifactError(f"The checkpoint's '{prefix}' has another number of parameter groups.")
    for name, tensor in _strip(state.tensors, prefix).items():
        entry, _, key = name.rpartition("/")
        entries[entry][key] = _copy(tensor)  # copied, since an optimiser may keep and change it
    moments = {int(entry.removeprefix("state/")): v for entry, v in entries.items() if entry.startswith("state/")}
    groups = [_like(entries[f"group/{i}"], group) for i, group in enumerate(optimizer.param_groups)]
    try:
        optimizer.load_state_dict({"state": moments, "param_groups": groups})
    except (KeyError, ValueError) as error:
        raise ArtifactError(f"The checkpoint's '{prefix}' does not fit the optimiser: {error}") from error
    _lay_out_like_parameters(optimizer)


def pack_generator(generator: torch.Generator, prefix: str) -> State:
    """Return the state of a torch generator (the global one is `torch.default_generator`)."""
    return State({f"{prefix}/state": generator.get_state()})


def unpack_generator(generator: torch.Generator, prefix: str, state: State) -> None:
    """Restore a torch generator on the same kind of device."""
    try:
        generator.set_state(_strip(state.tensors, prefix)["state"])
    except (KeyError, RuntimeError) as error:
        raise ArtifactError(f"The checkpoint's '{prefix}' is no state for this generator: {error}") from error


def pack_numpy_generator(generator: np.random.Generator, prefix: str) -> State:
    """Return the state of a NumPy generator with any bit generator."""
    return State(scalars={prefix: _to_plain(generator.bit_generator.state)})


def unpack_numpy_generator(generator: np.random.Generator, prefix: str, state: State) -> None:
    """Restore a NumPy generator that has the same kind of bit generator."""
    saved, current = _scalar(state, prefix), generator.bit_generator.state
    if saved.get("bit_generator") != current["bit_generator"]:
        message = f"The checkpoint's '{prefix}' is of a {saved.get('bit_generator')}, not {current['bit_generator']}."
        raise ArtifactError(message)
    generator.bit_generator.state = _arrays_like(saved, current)


def _lay_out_like_parameters(optimizer: torch.optim.Optimizer) -> None:
    """Give moments the strides of their parameters, such as those of convolutions with channels last.

    A fused optimiser goes through the memory of both in step, whatever their strides are.
    """
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().clone()


def _strip(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    start = f"{prefix}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _scalar(state: State, name: str) -> dict[str, Any]:
    if name not in state.scalars:
        raise ArtifactError(f"The checkpoint has no '{name}'.")
    value: dict[str, Any] = state.scalars[name]
    return value


def _like(saved: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a list back into a tuple if the optimiser's own group has a tuple (Adam's betas)."""
    return {name: tuple(value) if isinstance(group.get(name), tuple) else value for name, value in saved.items()}


def _to_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _to_plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value


def _arrays_like(saved: Any, current: Any) -> Any:
    if isinstance(current, dict):
        return {key: _arrays_like(saved[key], item) for key, item in current.items()}
    if isinstance(current, np.ndarray):
        return np.asarray(saved, dtype=current.dtype)
    return saved
