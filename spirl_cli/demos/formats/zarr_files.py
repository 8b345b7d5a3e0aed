"""The files of a zarr folder or archive, looked at before the zarr library reads them.

The library unpickles where an array asks for it, counts the chunks of an array one by one however
many it declares, stops at arrays of codecs that are not installed even if nobody reads them, and its
blosc codec reads beyond the end of a chunk that was cut. So descriptions and chunks are checked here.
"""

from __future__ import annotations

import json
import math
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spirl_cli.demos.formats.checks import DAMAGED_HINT, refuse_hollow
from spirl_cli.errors import DatasetError

_DESCRIPTIONS = (".zarray", "zarr.json")
_BLOSC_HEADER = struct.Struct("<4sIII")  # versions and flags, unpacked size, block size, packed size
_CHUNK_LIMIT = 2**31  # bytes; blosc takes no more


@dataclass(frozen=True)
class Description:
    """What an array says about itself.

    Attributes:
        shape, chunks: of the array, and of what a file holds.
        codecs: names of what the chunks are packed with; the last one packs last.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    codecs: tuple[str, ...]


class ZarrFiles:
    """The files of a zarr group.

    Args:
        path: a folder, or a zip archive of one.
        where: the dataset, for messages.

    Attributes:
        names: of all files, relative to the group.
    """

    def __init__(self, path: Path, where: str) -> None:
        self._path, self._where = path, where
        self._archive = zipfile.ZipFile(path) if path.is_file() else None
        self.names = set(self._archive.namelist() if self._archive else _below(path))

    def close(self) -> None:
        """Close the archive."""
        if self._archive is not None:
            self._archive.close()

    def arrays(self, group: str) -> list[str]:
        """Return the names of the arrays of a group, sorted."""
        found = set()
        for name in self.names:
            parts = name.split("/")
            if len(parts) == 3 and parts[0] == group and parts[2] in _DESCRIPTIONS:
                found.add(parts[1])
        return sorted(name for name in found if self._is_array(f"{group}/{name}"))

    def describe(self, array: str) -> Description:
        """Return the description of an array.

        Raises:
            ValueError, KeyError, TypeError: it is damaged.
        """
        content = self._content(array)
        if content.get("zarr_format") == 3:
            chunks, codecs = content["chunk_grid"]["configuration"]["chunk_shape"], content["codecs"]
            names = [str(codec["name"] if isinstance(codec, dict) else codec) for codec in codecs]
        else:
            chunks = content["chunks"]
            names = [str(codec["id"]) for codec in (*(content["filters"] or ()), content["compressor"]) if codec]
        shape, chunk = (tuple(int(size) for size in sizes) for sizes in (content["shape"], chunks))
        return Description(shape, chunk, tuple(names))

    def check(self, array: str, item_bytes: int) -> int:
        """Check an array before it is read; return the number of chunks that are absent.

        Args:
            array: path in the group.
            item_bytes: bytes of a number.

        Raises:
            DatasetError: it would be unpickled, declares far more than is stored, or a chunk was cut.
        """
        described, where = self.describe(array), f"{self._where}: {array}"
        chunk = math.prod(described.chunks) * item_bytes
        if chunk > _CHUNK_LIMIT:
            raise DatasetError(f"{where} has chunks of {chunk:,} bytes", "store it in chunks of some megabytes")
        files = [name for name in self.names if name.startswith(f"{array}/") and _is_chunk(name)]
        refuse_hollow(where, math.prod(described.shape) * item_bytes, len(files) * chunk)
        if described.codecs and described.codecs[-1] in ("blosc", "numcodecs.blosc"):
            for name in files:
                self._check_blosc(name)
        grid = (-(-size // step) for size, step in zip(described.shape, described.chunks, strict=True))
        return max(math.prod(grid) - len(files), 0)

    def refuse_pickle(self, array: str) -> None:
        """Refuse an array whose chunks would be unpickled, before anything else looks at it.

        Raises:
            DatasetError: its description names pickle.
        """
        if "pickle" in json.dumps(self._content(array)):
            raise DatasetError(
                f"{self._where}: {array} is packed with pickle, which is never read, since reading one runs its code",
                "store arrays of numbers",
            )

    def _check_blosc(self, name: str) -> None:
        size, start = self._size(name), self._start(name)
        if len(start) < _BLOSC_HEADER.size or _BLOSC_HEADER.unpack(start)[3] != size:
            raise DatasetError(f"{self._where}: the chunk {name} is damaged: {size} bytes are there", DAMAGED_HINT)

    def _is_array(self, path: str) -> bool:
        return f"{path}/.zarray" in self.names or self._content(path).get("node_type") == "array"

    def _content(self, array: str) -> dict[str, Any]:
        name = next(f"{array}/{end}" for end in _DESCRIPTIONS if f"{array}/{end}" in self.names)
        text = self._archive.read(name) if self._archive else (self._path / name).read_bytes()
        return dict(json.loads(text))

    def _size(self, name: str) -> int:
        return self._archive.getinfo(name).file_size if self._archive else (self._path / name).stat().st_size

    def _start(self, name: str) -> bytes:
        with self._archive.open(name) if self._archive else (self._path / name).open("rb") as stream:
            return stream.read(_BLOSC_HEADER.size)


def _below(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("._"):
            yield path.relative_to(folder).as_posix()


def _is_chunk(name: str) -> bool:
    last = name.rpartition("/")[2]
    return bool(last) and not last.startswith(".") and last != "zarr.json"
