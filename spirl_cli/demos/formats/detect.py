"""Which format a path holds, told by its content, never by its name alone."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import h5py

from spirl_cli.demos.dataset import Dataset
from spirl_cli.demos.formats.checked_hdf5 import CheckedFile
from spirl_cli.demos.formats.checks import DAMAGED_HINT, damage_refused, first_bytes, refuse_git_lfs
from spirl_cli.demos.formats.foreign import foreign_dataset
from spirl_cli.demos.formats.hdf5 import SUFFIXES as HDF5_SUFFIXES
from spirl_cli.demos.formats.hdf5 import FlatFile, RolloutFolder, hdf5_files
from spirl_cli.demos.formats.lerobot import LeRobotFolder
from spirl_cli.demos.formats.minari import MinariFolder
from spirl_cli.demos.formats.ogbench import OGBenchFile, npz_members
from spirl_cli.demos.formats.robomimic import RobomimicFile
from spirl_cli.demos.formats.zarr_format import ZarrFolder, is_zarr_archive, is_zarr_folder
from spirl_cli.errors import DatasetError
from spirl_cli.files import expanded

# A name with one of these endings is a path, whether it exists or not.
PATH_SUFFIXES = (*HDF5_SUFFIXES, ".npz", ".zarr", ".zip", ".parquet")

FORMATS_HINT = (
    "read are: Minari (HDF5, Arrow), D4RL HDF5 files, folders of HDF5 rollouts, robomimic and LIBERO HDF5 files, "
    "OGBench npz files, LeRobotDataset folders (v2.1, v3.0) and diffusion policy's zarr folders"
)


def open_dataset(path: str, filter_key: str | None = None, cameras: Sequence[str] = ()) -> Dataset:
    """Open the dataset at a path, whichever of the known formats it has.

    Args:
        path: a file or folder; what messages call the dataset.
        filter_key: name of a mask of a robomimic file; None takes all its demonstrations.
        cameras: names of the images that are going to be read; LeRobot has them in files of their own.

    Raises:
        DatasetError: there is nothing at this path, or nothing that is recognised; the message says what is there.
    """
    place = expanded(path)
    if place.exists() and (foreign := foreign_dataset(path, place)) is not None:
        source = foreign
    elif place.is_dir():
        source = _open_folder(path, place, filter_key, cameras)
    elif place.is_file():
        source = _open_file(path, place, filter_key)
    else:
        raise DatasetError(f"{path}: no such file or folder", f"name a file or folder; {FORMATS_HINT}")
    if filter_key is not None and not isinstance(source, RobomimicFile):
        raise DatasetError(f"{path} is a dataset of the format {source.kind}; only robomimic files have masks")
    return source


def _open_folder(name: str, folder: Path, filter_key: str | None, cameras: Sequence[str]) -> Dataset:
    if (folder / "meta" / "info.json").is_file():
        return LeRobotFolder(name, cameras)
    if is_zarr_folder(folder):
        return ZarrFolder(name)
    for data in (folder, folder / "data"):
        if _is_minari(data):
            return MinariFolder(name, data)
    files = hdf5_files(folder)
    if not files:
        raise _unrecognised_folder(name, folder)
    kind = _hdf5_kind(files[0])
    if kind == "robomimic":
        return _only_robomimic(name, files, filter_key)
    if kind == "minari":
        return _minari_of(str(files[0]), files[0])
    return RolloutFolder(name)


def _only_robomimic(name: str, files: list[Path], filter_key: str | None) -> RobomimicFile:
    if len(files) > 1:
        raise DatasetError(
            f"{name} holds {len(files)} HDF5 files, of which {files[0].name} is a robomimic file",
            f"name one of them, such as {files[0]}",
        )
    return RobomimicFile(str(files[0]), filter_key)


def _is_minari(data: Path) -> bool:
    """Say whether a folder has the metadata of a Minari dataset."""
    try:
        metadata = json.loads((data / "metadata.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(metadata, dict) and "total_episodes" in metadata and "total_steps" in metadata


def _open_file(name: str, path: Path, filter_key: str | None) -> Dataset:
    refuse_git_lfs(path)
    start = first_bytes(path)
    if h5py.is_hdf5(path):
        return _open_hdf5(name, path, filter_key)
    if start.startswith(b"PK"):
        return _open_archive(name, path)
    if path.suffix in HDF5_SUFFIXES:
        raise DatasetError(
            f"{name} cannot be read as HDF5: it begins with {start[:8]!r}, not as an HDF5 file does", DAMAGED_HINT
        )
    raise DatasetError(f"{name} is no dataset that is read here: {_looks_like(start)}", _advice(start, path))


def _open_archive(name: str, path: Path) -> Dataset:
    with damage_refused(f"{name}: this zip archive"), zipfile.ZipFile(path) as archive:
        members, zarr = npz_members(archive), is_zarr_archive(archive)
        names = archive.namelist()
    if zarr:
        return ZarrFolder(name)
    if {"observations", "actions"} <= members:
        return OGBenchFile(name)
    raise DatasetError(
        f"{name} is a zip archive of {', '.join(names[:8]) or 'nothing'}; looked for were the arrays `observations` "
        "and `actions` (npz) and a zarr group",
        FORMATS_HINT,
    )


def _open_hdf5(name: str, path: Path, filter_key: str | None) -> Dataset:
    kind = _hdf5_kind(path)
    if kind == "robomimic":
        return RobomimicFile(name, filter_key)
    if kind == "flat":
        return FlatFile(name)
    if kind == "minari":
        return _minari_of(name, path)
    if kind == "rollout":
        raise DatasetError(
            f"{name} is a rollout of one episode (it has `observations` and `actions`, but no `terminals`, `timeouts` "
            "or `next_observations`: neither `terminals` nor `timeouts` says where episodes end)",
            f"name the folder of the rollouts: {path.parent}",
        )
    with CheckedFile(path) as file:
        found = ", ".join(sorted(file)[:12]) or "nothing"
    raise DatasetError(
        f"{name} is an HDF5 file of a layout that is not known: it has {found}; looked for were `observations` and "
        "`actions` (D4RL), `data/demo_0` (robomimic, LIBERO) and `episode_0` (Minari)",
        FORMATS_HINT,
    )


def _minari_of(name: str, path: Path) -> MinariFolder:
    if not _is_minari(path.parent):
        raise DatasetError(
            f"{name} looks like the data of a Minari dataset, but there is no metadata.json beside it",
            "name the dataset's folder, or copy its metadata.json too",
        )
    return MinariFolder(str(path.parent), path.parent)


def _hdf5_kind(path: Path) -> str:
    """Return ``robomimic``, ``flat``, ``rollout``, ``minari`` or ``unknown``, from the names in an HDF5 file."""
    with CheckedFile(path) as file, damage_refused(str(path)):
        names = set(file)
        if "data" in names and not {"observations", "actions"} & names:
            return "robomimic"
        if any(name.startswith("episode_") for name in names):
            return "minari"
        if not {"observations", "actions"} & names:
            return "unknown"
        if {"terminals", "timeouts", "next_observations"} & names:
            return "flat"
        return "rollout"


def _unrecognised_folder(name: str, folder: Path) -> DatasetError:
    """Say what a folder holds, and what was looked for."""
    below = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*") if not path.name.startswith("."))
    found = ", ".join(below[:8]) or "nothing"
    return DatasetError(
        f"{name}: this folder holds no {' or '.join('*' + end for end in HDF5_SUFFIXES)} file, no meta/info.json "
        f"(LeRobot), no .zgroup or zarr.json (zarr) and no data/metadata.json (Minari); it holds: {found}",
        next((hint for end, hint in _BELOW if any(folder.rglob(f"*{end}"))), FORMATS_HINT),
    )


_BELOW = (
    (".npz", "name one of its npz files"),
    (".parquet", "a LeRobotDataset has meta/info.json: copy or download its meta folder too"),
    ("metadata.json", "it may hold several Minari datasets: name the folder of one"),
)


_MAGIC = (
    (b"PAR1", "it is a parquet file"),
    (b"ARROW1", "it is an Arrow file"),
    (b"\x00\x05\x16\x07", "it is a file of attributes that macOS adds to others"),
    (b"\x80", "it is a pickle, which is never read, since reading one runs its code"),
    (b"\x93NUMPY", "it is a single NumPy array"),
    (b"\x1f\x8b", "it is compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd"),
)


def _looks_like(start: bytes) -> str:
    for magic, sentence in _MAGIC:
        if start.startswith(magic):
            return sentence
    return f"it begins with {start[:16]!r}" if start else "it is empty"


def _advice(start: bytes, path: Path) -> str:
    if start.startswith(b"PAR1"):
        return "name the folder of the LeRobotDataset or Minari dataset that it belongs to"
    if start.startswith(b"ARROW1"):
        return "name the folder of the Minari dataset that it belongs to"
    if start.startswith(b"\x00\x05\x16\x07"):
        return f"name the file itself: {path.with_name(path.name.removeprefix('._'))}"
    if start.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        return "unpack it and name what comes out"
    return FORMATS_HINT
