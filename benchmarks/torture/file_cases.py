"""Random files: weights whose header lies, HDF5 and Minari datasets of odd content, damaged or both."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
from hypothesis import strategies as st

from benchmarks.torture.answers import Kind, Tally, answer
from benchmarks.torture.inputs import ODD, damaged, json_texts
from spirl_cli.demos.pendulum import write_dataset
from spirl_cli.errors import ArtifactError
from spirl_cli.files import write_whole
from spirl_cli.inference.decoders import load_decoder
from spirl_cli.inference.network_file import DecoderHeader, write_network
from spirl_cli.monitor.checkpoint import read_state
from spirl_cli.skills.model_files import load_prior, load_skills

Damage: TypeAlias = "st.SearchStrategy[list[tuple[float, bytes]]]"  # shares of the length, and what stands there
MINARI = "fuzz/tiny-v0"
EPISODES, STEPS = 3, 8
TYPES = ("f8", "f4", "f2", ">f4", "i4", "u1", "?", "S3", "c8", "i8")
FLAT = ("observations", "actions", "terminals", "timeouts", "rewards", "next_observations")
NUMBERS = (0.0, 1.0, -1.0, np.nan, np.inf, 1e300, 1e-300, 3.0)


class FileCases:
    """The kinds of cases that are files.

    Args:
        folder: where they are written; also the folder of Minari's datasets.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._root = folder, folder / "artifacts"

    def tensors(self, tally: Tally) -> Kind:
        """Return files of weights whose headers of tensors are changed, and what is done with each."""
        path = self._folder / "decoder"
        sizes = {"horizon": 3, "latent_dim": 2, "state_dim": 4, "action_low": (-1.0,), "action_high": (1.0,)}
        weights = {"layers.0.weight": np.zeros((3, 6), np.float32), "layers.0.bias": np.zeros(3, np.float32)}
        write_network(path, weights, DecoderHeader(kind="closed-loop", **sizes))  # type: ignore[arg-type]
        good = path.read_bytes()
        length = int.from_bytes(good[:8], "little")
        readers: tuple[Callable[[Path], Any], ...] = (load_decoder, read_state, load_skills, load_prior)

        def check(case: tuple[bytes, int, Callable[[Path], Any]]) -> None:
            header, shift, read = case
            length_said = max(0, len(header) + shift)
            write_whole(path, length_said.to_bytes(8, "little") + header + good[8 + length :])
            begun = time.process_time()
            with contextlib.suppress(ArtifactError):
                read(path)
            tally.add(3, time.process_time() - begun)

        header = json_texts([json.loads(good[8 : 8 + length])])
        shifts = st.sampled_from([0, 0, 0, 1, -1, 10**6, 2**62])
        return st.tuples(header, shifts, st.sampled_from(readers)), check

    def hdf5(self, tally: Tally) -> Kind:
        """Return HDF5 files, flat or one per episode, and what is done with each."""
        path = self._folder / "case.hdf5"
        usual: dict[str, np.ndarray] = {"observations": np.zeros((24, 3), "f4"), "actions": np.zeros((24, 1), "f4")}
        usual["terminals"] = np.arange(24) % 8 == 7
        changed = st.dictionaries(st.sampled_from(FLAT), _arrays(), max_size=3)
        arrays = st.tuples(st.sampled_from([usual, usual, {}]), changed).map(lambda both: {**both[0], **both[1]})
        bounds = st.sampled_from([None, (-2.0, 2.0), (-2.0, 2.0), (-2.0, 2.0)]) | st.tuples(ODD, ODD)
        bytes_changed: Damage = st.just([]) | st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4)), max_size=6)

        def check(case: tuple[dict[str, np.ndarray], Any, Any, list[str]]) -> None:
            values, limits, changes, command = case
            write_whole(path, damaged(_hdf5(values, limits), changes))
            self._read([*command, str(path)], tally)

        return st.tuples(arrays, bounds, bytes_changed, st.sampled_from(self._readers(""))), check

    def minari(self, tally: Tally) -> Kind:
        """Return Minari datasets with changed metadata or damaged data, and what is done with each."""
        data = self._folder / MINARI / "data"
        if not data.is_dir():
            write_dataset(MINARI, EPISODES, STEPS)
        metadata, arrays = data / "metadata.json", data / "main_data.hdf5"
        told, stored = json.loads(metadata.read_text()), arrays.read_bytes()
        changes: Damage = st.just([]) | st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4)), max_size=6)

        def check(case: tuple[bytes, Any, list[str]]) -> None:
            write_whole(metadata, case[0])
            write_whole(arrays, damaged(stored, case[1]))
            self._read([*case[2], MINARI], tally)

        return st.tuples(json_texts([told]), changes, st.sampled_from(self._readers("minari"))), check

    def _readers(self, source: str) -> tuple[list[str], ...]:
        """Return commands that read the dataset that is named after them."""
        short = ["--set", "train_skills.horizon=3", "--set", "env.id=Pendulum-v1", "--set", "env.episode_length=9"]
        extract = ["extract", "gymnasium", *short, "--artifacts", str(self._root)]
        forms: tuple[list[str], ...] = (
            ["--set", "extract.bad_episodes=skip"],
            ["--set", "extract.out_of_bounds=clip"],
            [],
        )
        return ["inspect"], *([*extract, *form, "--dataset"] for form in forms)

    def _read(self, command: Sequence[str], tally: Tally) -> None:
        *rest, dataset = command
        if rest[-1] == "--dataset":
            rest, dataset = [*rest[:-1], "--set"], f"extract.dataset={dataset}"
        answer([*rest, dataset], tally)
        shutil.rmtree(self._root, ignore_errors=True)


def _hdf5(values: dict[str, np.ndarray], limits: Any) -> bytes:
    with h5py.File.in_memory() as file:
        for name, value in values.items():
            file[name] = value
        for name, limit in zip(("action_low", "action_high"), limits or (), strict=False):
            with contextlib.suppress(TypeError, ValueError, OverflowError, OSError):  # what h5py cannot store
                file.attrs[name] = limit
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def _arrays() -> st.SearchStrategy[np.ndarray]:
    """Return arrays of any type and of sizes that fit each other often."""
    shapes = st.sampled_from([(24, 3), (24, 1), (24,), (24, 2), (25, 3), (0, 3), (), (24, 1, 1), (1, 1)])
    usual = st.sampled_from([((24, 3), "f4", 0.0), ((24, 1), "f4", 0.5)])
    drawn = usual | st.tuples(shapes, st.sampled_from(TYPES), st.sampled_from(NUMBERS))
    return drawn.map(lambda one: _filled(*one))


def _filled(shape: tuple[int, ...], kind: str, number: float) -> np.ndarray:
    values = np.zeros(shape)
    values.flat[-1:] = number  # the last, or none
    with np.errstate(all="ignore"):
        return values.astype(kind)
