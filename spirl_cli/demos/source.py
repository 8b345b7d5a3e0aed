"""Which dataset a recipe means: whether it is here, and opening it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spirl_cli.demos.dataset import RawSource
from spirl_cli.demos.demonstrations import Demonstrations
from spirl_cli.demos.download import download
from spirl_cli.demos.formats.detect import PATH_SUFFIXES, open_dataset
from spirl_cli.demos.formats.minari import MinariSource, is_local
from spirl_cli.demos.identity import DatasetIdentity, identity_of
from spirl_cli.demos.made import planned_identity, scripted_identity
from spirl_cli.recipe.sections.extract import ExtractSection


def open_demonstrations(section: ExtractSection, announce: Callable[[str], None] = lambda text: None) -> Demonstrations:
    """Open the dataset of a recipe; a Minari dataset that is not local is downloaded.

    Args:
        section: the recipe's `extract`, its observation resolved.
        announce: told before a download starts.

    Raises:
        DatasetError: the dataset is neither here nor to be had, or empty, or its actions are
            not continuous or without finite bounds.
    """
    source = _local(section)
    if source is None:
        download(_name(section), announce)
        source = MinariSource(_name(section))
    return Demonstrations(section, source, identity_of(source))


def may_be_scripted(section: ExtractSection) -> bool:
    """Say whether scripted demonstrations may stand in for a dataset that cannot be had."""
    return section.source == "auto" and not _is_hdf5(section)


def identify(section: ExtractSection) -> DatasetIdentity | None:
    """Return the identity of a recipe's dataset, or None when it is not on this machine.

    Never uses the network. The files are read once; after that the checksum is remembered. Demonstrations
    that are generated have an identity before they exist.

    Raises:
        DatasetError: the local dataset is damaged.
    """
    if section.source == "planner":
        return planned_identity(section)
    if section.source == "scripted":
        return scripted_identity(section)
    if _is_hdf5(section) and not Path(_name(section)).expanduser().exists():
        return None
    source = _local(section)
    return None if source is None else identity_of(source)


def _local(section: ExtractSection) -> RawSource | None:
    """Return the dataset if it is on this machine."""
    name = _name(section)
    if _is_hdf5(section):
        return open_dataset(name, section.filter)
    return MinariSource(name) if is_local(name) else None


def _is_hdf5(section: ExtractSection) -> bool:
    """Decide what `source: auto` means: a path if it exists or can be nothing else."""
    if section.source != "auto":
        return section.source == "hdf5"
    name = _name(section)
    return Path(name).expanduser().exists() or name.startswith((".", "/", "~")) or name.endswith(PATH_SUFFIXES)


def _name(section: ExtractSection) -> str:
    assert section.dataset is not None, "a recipe without a dataset has a planner"
    return section.dataset
