"""Flat arrays with flags, in HDF5 and npz: where episodes end, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spirl_cli.demos.formats import flat
from spirl_cli.demos.formats.detect import open_dataset
from spirl_cli.errors import DatasetError
from tests.support.format_writers import make_episodes, write_flat

LENGTHS = (4, 6, 5)
ROWS = sum(LENGTHS)
ENDS = np.isin(np.arange(ROWS) + 1, np.cumsum(LENGTHS))


def arrays(**more: np.ndarray | None) -> dict[str, np.ndarray]:
    """Three episodes in flat arrays, `next_observations` included; None leaves an array out."""
    states = [10 * number + np.arange(length + 1.0)[:, None] for number, length in enumerate(LENGTHS)]
    whole: dict[str, Any] = {
        "observations": np.concatenate([state[:-1] for state in states]),
        "next_observations": np.concatenate([state[1:] for state in states]),
        "actions": np.linspace(-1, 1, ROWS, dtype=np.float32)[:, None],
        "terminals": ENDS,
        **more,
    }
    return {name: array for name, array in whole.items() if array is not None}


def write(path: Path, suffix: str, content: dict[str, np.ndarray]) -> str:
    path = path / f"data{suffix}"
    if suffix == ".npz":
        np.savez(path, **content)
    else:
        with h5py.File(path, "w") as file:
            for name, array in content.items():
                file[name] = array
    return str(path)


both = pytest.mark.parametrize("suffix", [".hdf5", ".npz"])


def lengths(name: str) -> list[int]:
    return [len(episode.actions) for episode in open_dataset(name).episodes()]


@both
@pytest.mark.parametrize("block", [1, 32, 10**6])
def test_next_observations_show_ends_that_no_flag_marks(
    suffix: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flat, "BLOCK_BYTES", block)
    terminals = ENDS & (np.arange(ROWS) == 3)  # one flag of three
    source = open_dataset(write(tmp_path, suffix, arrays(terminals=terminals)))
    episodes = list(source.episodes())
    assert [len(episode.actions) for episode in episodes] == list(LENGTHS)
    np.testing.assert_array_equal(episodes[1].observations[:, 0], np.arange(10, 17))
    assert source.contents().steps == ROWS
    (note,) = source.notes
    assert "split at 1 rows that no flag marks" in note and "row 9" in note


@both
def test_next_observations_alone_show_the_ends(suffix: str, tmp_path: Path) -> None:
    assert lengths(write(tmp_path, suffix, arrays(terminals=None))) == list(LENGTHS)


def test_rounding_is_no_seam(tmp_path: Path) -> None:
    content = arrays()
    content["next_observations"] = (content["next_observations"] / 3).astype(np.float32)
    content["observations"] = content["observations"] / 3
    source = open_dataset(write(tmp_path, ".hdf5", content))
    assert len(list(source.episodes())) == 3 and not source.notes


def test_nan_is_no_seam(tmp_path: Path) -> None:
    content = arrays()
    content["observations"][2] = content["next_observations"][1] = np.nan
    source = open_dataset(write(tmp_path, ".hdf5", content))
    assert len(list(source.episodes())) == 3 and not source.notes


@both
def test_rows_that_are_not_in_order_are_refused(suffix: str, tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(ROWS)
    shuffled = {name: array[order] for name, array in arrays().items()}
    with pytest.raises(DatasetError, match="not in the order of time"):
        open_dataset(write(tmp_path, suffix, shuffled)).contents()


@both
@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"terminals": ENDS[:-1]}, "`terminals` has 14 rows, but there are 15 observations"),
        ({"timeouts": ENDS[:4]}, "`timeouts` has 4 rows"),
        ({"next_observations": np.zeros((3, 1))}, "`next_observations` has 3 rows"),
        ({"terminals": ENDS & False, "next_observations": None}, "no flag is ever set, so all 15 rows"),
        ({"terminals": None, "next_observations": None}, "neither `terminals` nor `timeouts`"),
        ({"observations": np.zeros((3, 1))}, "3 observations but 15 actions"),
        ({"terminals": np.where(ENDS, 1, np.nan)}, "`terminals` is nan in row 0, which is neither true nor false"),
        ({"timeouts": ENDS * 2}, "`timeouts` is 2 in row 3, which is neither true nor false"),
        ({"terminals": np.where(ENDS, b"1", b"0")}, r"`terminals` has the type \|S1 and the shape \(15,\)"),
        ({"timeouts": np.stack([ENDS, ENDS], 1)}, r"`timeouts` has the type bool and the shape \(15, 2\)"),
        ({"next_observations": np.zeros((ROWS, 2))}, r"`next_observations` has shape \(2,\), one of `observations`"),
    ],
)
def test_refusals(suffix: str, more: dict[str, Any], message: str, tmp_path: Path) -> None:
    name = write(tmp_path, suffix, arrays(**more))
    with pytest.raises(DatasetError, match=message) as refusal:
        open_dataset(name).contents()
    assert name in refusal.value.message


@both
def test_whole_numbers_are_no_continuous_actions(suffix: str, tmp_path: Path) -> None:
    name = write(tmp_path, suffix, arrays(actions=np.zeros((ROWS, 1), int)))
    with pytest.raises(DatasetError, match="type int64, not continuous"):
        open_dataset(name).action_dim()


@both
def test_double_precision_is_read(suffix: str, tmp_path: Path) -> None:
    actions = np.linspace(-1, 1, ROWS)[:, None]
    source = open_dataset(write(tmp_path, suffix, arrays(actions=actions)))
    assert source.action_dim() == 1
    np.testing.assert_array_equal(np.concatenate([episode.actions for episode in source.episodes()]), actions)


# npz alone


def test_npz_memory_holds_an_episode(tmp_path: Path) -> None:
    import tracemalloc

    rows = 50_000
    states = np.random.default_rng(0).normal(size=(rows, 40))  # 16 MB
    ends = np.arange(1, rows + 1) % 500 == 0
    content = {"observations": states, "actions": states[:, :2], "terminals": ends}
    source = open_dataset(write(tmp_path, ".npz", content))
    tracemalloc.start()
    try:
        assert sum(len(episode.actions) for episode in source.episodes()) == rows - 100
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000


def test_npz_objects_are_never_unpickled(tmp_path: Path) -> None:
    name = write(tmp_path, ".npz", arrays(actions=np.array([{}] * ROWS)))
    with pytest.raises(DatasetError, match="`actions` holds Python objects, which are never unpickled"):
        open_dataset(name).contents()


def test_npz_columns_first_is_refused(tmp_path: Path) -> None:
    name = write(tmp_path, ".npz", arrays(observations=np.asfortranarray(np.zeros((ROWS, 3)))))
    with pytest.raises(DatasetError, match="column by column"):
        open_dataset(name).contents()


def test_npz_that_declares_more_than_it_stores_is_refused(tmp_path: Path) -> None:
    import io
    import zipfile

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**13, 40)})
    name = write(tmp_path, ".npz", arrays(observations=None))
    with zipfile.ZipFile(name, "a") as archive:
        archive.writestr("observations.npy", header.getvalue())
    with pytest.raises(DatasetError, match=r"`observations` declares the shape \(10000000000000, 40\)"):
        open_dataset(name).contents()


def test_damaged_npz_is_refused(tmp_path: Path) -> None:
    name = write(tmp_path, ".npz", arrays())
    data = bytearray(Path(name).read_bytes())
    place = data.index(b"\x93NUMPY")
    data[place + 140] ^= 1
    Path(name).write_bytes(data)
    with pytest.raises(DatasetError, match="cannot be read: Bad CRC-32"):
        list(open_dataset(name).episodes())
    Path(name).write_bytes(data[: len(data) // 2])
    with pytest.raises(DatasetError, match="cannot be read: File is not a zip file"):
        open_dataset(name)


def test_arrays_in_infos_are_selected_by_name(tmp_path: Path) -> None:
    path = write_flat(tmp_path / "a.hdf5", make_episodes(3))
    with h5py.File(path, "a") as file:
        file["infos/qpos"] = np.arange(2.0 * len(file["actions"])).reshape(-1, 2)
        file["infos/short"] = np.zeros(3)
    episodes = iter(open_dataset(str(path)).episodes())
    first = next(episodes)  # arrays are read while the file is open
    np.testing.assert_array_equal(first.observations["infos/qpos"], np.arange(24.0).reshape(12, 2))
    assert list(first.observations) == ["observations"], "they are not taken for observations unasked"
    with pytest.raises(DatasetError, match="`infos/short` has 3 rows"):
        first.observations["infos/short"]
