"""Formats that other packages read, found by the entry-point group `spirl.formats`."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from spirl_cli.demos.dataset import Dataset
from spirl_cli.errors import DatasetError

GROUP = "spirl.formats"


class Reader(Protocol):
    """A format: what an entry point names, such as a class with the attributes of `Dataset`."""

    def recognises(self, path: Path) -> bool:
        """Say whether a file or folder has this format, from its content."""
        ...

    def __call__(self, name: str) -> Dataset:
        """Open the dataset at a path."""
        ...


def foreign_dataset(name: str, path: Path) -> Dataset | None:
    """Return a dataset that another package reads, or None.

    Args:
        name: what messages call it.
        path: an existing file or folder.

    Raises:
        DatasetError: a package that is installed cannot be loaded.
    """
    return next((reader(name) for reader in _readers() if reader.recognises(path)), None)


@cache
def _readers() -> tuple[Reader, ...]:
    readers: list[Reader] = []
    for point in entry_points(group=GROUP):
        try:
            readers.append(point.load())
        except Exception as error:  # of a package that is not ours, anything may be raised
            raise DatasetError(
                f"the format '{point.name}' of the package {point.value.partition(':')[0]} cannot be loaded: {error}",
                "repair or uninstall that package",
            ) from error
    return tuple(readers)
