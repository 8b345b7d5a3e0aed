"""HDF5 files of strangers: nothing outside of the file is followed, nothing is allocated that is not stored."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py

from spirl_cli.demos.formats.checks import DAMAGE, DAMAGED_HINT, damage_refused, refuse_git_lfs, refuse_hollow
from spirl_cli.errors import DatasetError

FOREIGN_HINT = (
    "copy the data into one file, for instance with `h5repack` or h5py: a dataset that points to other files "
    "could carry any file of this machine into the clips"
)


class CheckedGroup(Mapping[str, Any]):
    """A group of an HDF5 file as a mapping; members are checked when they are asked for.

    Members are groups (as `CheckedGroup`) and arrays (as `h5py.Dataset`).

    Args:
        group: the open group.
        path: the file, for messages.
    """

    def __init__(self, group: h5py.Group, path: Path) -> None:
        self._group, self._path = group, path

    @property
    def attributes(self) -> Any:
        """Attributes of the group."""
        return self._group.attrs

    @property
    def where(self) -> str:
        """File and group, for messages."""
        return f"{self._path}" if self._group.name == "/" else f"{self._path}: {self._group.name}"

    def __iter__(self) -> Iterator[str]:
        return iter(self._group)

    def __len__(self) -> int:
        return len(self._group)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and "/" not in name and name in self._group.keys()

    def __getitem__(self, name: str) -> Any:
        """Return a member.

        Raises:
            KeyError: there is none of this name.
            DatasetError: it lies in another file, or declares more than is stored.
        """
        if name not in self:
            raise KeyError(name)
        with damage_refused(f"{self.where}/{name}"):
            link = self._group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise self._foreign(name, f"is a link to another file ({link.filename})")
            if isinstance(link, h5py.SoftLink):
                return self._follow(link.path)
            return self._checked(name, self._group[name])

    def array(self, name: str) -> h5py.Dataset:
        """Return the array of this name.

        Raises:
            DatasetError: there is none.
        """
        member = self.member(name)
        if not isinstance(member, h5py.Dataset) or member.ndim == 0:
            raise DatasetError(f"{self.where}: `{name}` is not an array")
        return member

    def has_array(self, name: str) -> bool:
        """Return whether a member is an array whose numbers are in this file."""
        try:
            member = self[name]
        except DatasetError:
            return False
        return isinstance(member, h5py.Dataset) and member.ndim > 0

    def member(self, name: str) -> Any:
        """Return the group or array of this name.

        Raises:
            DatasetError: there is none; the message lists what there is.
        """
        if name not in self:
            raise DatasetError(f"{self.where} has no `{name}`, only: {', '.join(sorted(self)[:20]) or 'nothing'}")
        return self[name]

    def _follow(self, target: str) -> Any:
        """Follow a link within the file member by member, so that each is checked."""
        node: Any = CheckedGroup(self._group.file["/"], self._path) if target.startswith("/") else self
        for part in target.strip("/").split("/"):
            node = node[part]
        return node

    def _checked(self, name: str, member: Any) -> Any:
        if isinstance(member, h5py.Group):
            return CheckedGroup(member, self._path)
        if not isinstance(member, h5py.Dataset):
            raise DatasetError(f"{self.where}: `{name}` is neither a group nor an array")
        if member.external:
            raise self._foreign(name, f"keeps its data in another file ({member.external[0][0]})")
        if member.is_virtual:
            raise self._foreign(name, "is a virtual array, put together from other arrays or files")
        _refuse_hollow_array(f"{self.where}/{name}", member)
        return member

    def _foreign(self, name: str, does: str) -> DatasetError:
        return DatasetError(f"{self.where}: `{name}` {does}, which is not followed", FOREIGN_HINT)


class CheckedFile(CheckedGroup):
    """An HDF5 file opened for reading; use it as a context manager.

    Raises:
        DatasetError: it is not an HDF5 file, or damaged.
    """

    def __init__(self, path: Path) -> None:
        refuse_git_lfs(path)
        try:
            self._file = h5py.File(path, "r")
        except DAMAGE as error:
            raise DatasetError(f"{path} cannot be read as HDF5: {error}", DAMAGED_HINT) from error
        super().__init__(self._file, path)

    def __enter__(self) -> CheckedFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def _refuse_hollow_array(where: str, array: h5py.Dataset) -> None:
    """Compare the declared size with the allocated chunks, or with the stored bytes where there are none."""
    declared = math.prod(array.shape or ()) * array.dtype.itemsize
    if array.chunks is None:
        stored = array.id.get_storage_size()
    else:
        stored = array.id.get_num_chunks() * math.prod(array.chunks) * array.dtype.itemsize
    refuse_hollow(where, declared, stored)
