"""Episodes that lie one after the other in flat arrays, with flags where they end.

The arrays are ``observations`` (N, D), ``actions`` (N, A), ``terminals`` (N,) and ``timeouts`` (N,);
an episode ends where one of the flags is true (one of them may be missing if the other marks every
end). No last state is stored: if ``next_observations`` (N, D) is there it comes from that, else the
last action of every episode is dropped. D4RL's HDF5 files and OGBench's npz files are laid out like this.

Other arrays of N rows, such as ``qpos``, ``infos/qpos`` or the images of a camera, are observations by their names;
not where ``next_observations`` is there, since their last rows are missing then.

Where ``next_observations`` is there, it also shows the seams: an episode ends where it differs from
the observation of the following row, whatever the flags say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np

from spirl_cli.demos.dataset import Contents, StoredEpisode
from spirl_cli.demos.formats.rows import rows_of
from spirl_cli.demos.score import outcome
from spirl_cli.errors import DatasetError

FLAGS = ("terminals", "timeouts")
FLAG_ROWS = 1_000_000  # end-of-episode flags read at once
BLOCK_BYTES = 16 * 2**20  # of observations compared at once
INFOS = "infos"  # group of what the environment told beside observations; its arrays can be selected by name
_NO_OBSERVATIONS = ("actions", "rewards", "next_observations", "masks", *FLAGS)


class LazyArrays(Mapping[str, Any]):
    """Arrays that are opened when they are first asked for.

    Args:
        names: of all of them.
        opened: opens one.
    """

    def __init__(self, names: Iterable[str], opened: Callable[[str], Any]) -> None:
        self._names, self._opened = sorted(names), opened
        self._known: dict[str, Any] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> Any:
        """Return an array."""
        if name not in self._names:
            raise KeyError(name)
        if name not in self._known:
            self._known[name] = self._opened(name)
        return self._known[name]


class NamedRows(LazyArrays):
    """The observations of an episode by name; those called `observations` are also meant where no name is given.

    Args:
        names: all that can be asked for, so that an error says what is wrong with them.
        opened: opens one.
        listed: whether one has a row for every step.
    """

    def __init__(self, names: Iterable[str], opened: Callable[[str], Any], listed: Callable[[str], bool]) -> None:
        super().__init__(names, opened)
        self._listed = listed

    def __iter__(self) -> Iterator[str]:
        return filter(self._listed, self._names)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def plain(self) -> Any:
        """The array that is meant where no name is given."""
        return self["observations"]


def _is_listed(arrays: Mapping[str, Any], rows: int, name: str) -> bool:
    """Say whether an array is an observation like others: it has a row for every step and does not lie in `infos`."""
    return not name.startswith(f"{INFOS}/") and len(arrays[name]) == rows


class FlatEpisodes:
    """The episodes in flat arrays.

    Args:
        where: the file, for messages.
        opened: opens the arrays; they are read from the first row to the last, never backwards.

    Attributes:
        notes: what was found and mended, as sentences.
    """

    def __init__(self, where: str, opened: Callable[[], AbstractContextManager[Mapping[str, Any]]]) -> None:
        self.notes: list[str] = []
        self._where, self._open = where, opened
        self._known: list[tuple[int, int]] | None = None

    def contents(self) -> Contents:
        """Count episodes and steps.

        Raises:
            DatasetError: the arrays do not fit each other, or nothing says where episodes end.
        """
        spans = self._spans()
        return Contents(len(spans), sum(stop - first for first, stop in spans))

    def episodes(self) -> Iterator[StoredEpisode]:
        """Yield the episodes; memory holds one of them."""
        spans = self._spans()
        with self._open() as arrays:
            observations, actions, following = (
                arrays.get(name) for name in ("observations", "actions", "next_observations")
            )
            assert observations is not None and actions is not None, "`_spans` has looked"
            named = [name for name in arrays if name not in _NO_OBSERVATIONS]
            for number, (first, stop) in enumerate(spans):
                states: Any
                if following is not None:
                    states = np.concatenate([observations[first:stop], following[stop - 1 : stop]])
                elif named == ["observations"]:  # `stop` was moved back by one, so this row exists
                    states = rows_of(observations, first, stop + 1)
                else:
                    rows = partial(self._rows_of, arrays, first, stop + 1)
                    states = NamedRows(named, rows, partial(_is_listed, arrays, len(actions)))
                told = outcome(arrays, len(actions), slice(first, stop))
                yield StoredEpisode(number, states, actions[first:stop], **told)

    def _rows_of(self, arrays: Mapping[str, Any], first: int, stop: int, name: str) -> Any:
        """Return some rows of an array that is as long as the others."""
        rows, expected = len(arrays[name]), len(arrays["actions"])
        if rows != expected:
            raise DatasetError(f"{self._where}: `{name}` has {rows} rows, but there are {expected} actions")
        return rows_of(arrays[name], first, stop)

    def _spans(self) -> list[tuple[int, int]]:
        """Return the first row of every episode and the row after its last usable action."""
        if self._known is None:
            with self._open() as arrays:
                rows = self._rows(arrays)
                dropped = 0 if "next_observations" in arrays else 1
                last_rows = np.flatnonzero(self._ends(arrays, rows)) if rows else np.empty(0, int)
            stops = [int(row) + 1 for row in last_rows]
            if stops and stops[-1] < rows:
                stops.append(rows)  # the data after the last flag are an episode too
            self._known = [(first, stop - dropped) for first, stop in zip([0, *stops], stops, strict=False)]
        return self._known

    def _rows(self, arrays: Mapping[str, Any]) -> int:
        rows, observed = len(arrays["actions"]), len(arrays["observations"])
        if observed != rows:
            raise DatasetError(
                f"{self._where}: {observed} observations but {rows} actions",
                "flat arrays have as many of one as of the other",
            )
        for name in (*FLAGS, "next_observations"):
            if name in arrays and len(arrays[name]) != rows:
                raise DatasetError(
                    f"{self._where}: `{name}` has {len(arrays[name])} rows, but there are {rows} observations",
                    "flat arrays have as many rows as each other: the file is incomplete, or was written wrongly",
                )
        following, shape = arrays.get("next_observations"), arrays["observations"].shape[1:]
        if following is not None and following.shape[1:] != shape:
            raise DatasetError(
                f"{self._where}: a row of `next_observations` has shape {following.shape[1:]}, one of `observations` "
                f"{shape}",
                "both hold the same quantities",
            )
        return rows

    def _flags(self, array: Any, name: str, first: int) -> np.ndarray:
        """Return some rows of flags, which are bools or the numbers 0 and 1, as bool (N,).

        Raises:
            DatasetError: they are something else; as bool, every text and every NaN would be true.
        """
        rows = np.asarray(array[first : first + FLAG_ROWS])
        if rows.dtype.kind not in "biuf" or rows.size != len(rows):
            odd = f"has the type {rows.dtype} and the shape {rows.shape}"
        elif not (sound := np.isin(rows, (0, 1)).reshape(-1)).all():
            odd = f"is {rows.reshape(-1)[int(np.argmin(sound))]} in row {first + int(np.argmin(sound))}"
        else:
            return rows.reshape(-1).astype(bool)
        raise DatasetError(
            f"{self._where}: `{name}` {odd}, which is neither true nor false", "store one bool, 0 or 1 for each row"
        )

    def _ends(self, arrays: Mapping[str, Any], rows: int) -> np.ndarray:
        """Return which rows are the last of an episode, bool (N,)."""
        flags = [name for name in FLAGS if name in arrays]
        ends = np.zeros(rows, bool)
        for name in flags:
            for first in range(0, rows, FLAG_ROWS):
                ends[first : first + FLAG_ROWS] |= self._flags(arrays[name], name, first)
        if "next_observations" in arrays:
            self._add_seams(ends, arrays)
        elif not flags:
            raise DatasetError(f"{self._where}: neither `terminals` nor `timeouts` says where episodes end", _ENDS_HINT)
        if not ends.any():
            marks = " nor ".join(f"`{name}`" for name in (*flags, "next_observations") if name in arrays)
            raise DatasetError(
                f"{self._where}: {marks} never shows the end of an episode: no flag is ever set, so all {rows} rows "
                "would be one episode",
                _ENDS_HINT,
            )
        return ends

    def _add_seams(self, ends: np.ndarray, arrays: Mapping[str, Any]) -> None:
        """Mark as ends the rows whose `next_observations` is not the observation of the following row."""
        unmarked = _seams(arrays["observations"], arrays["next_observations"]) & ~ends
        count, inner = int(unmarked.sum()), int((~ends[:-1]).sum())
        if count > inner / 2:
            raise DatasetError(
                f"{self._where}: `next_observations` is not the observation of the following row in {count} of {inner} "
                f"rows that end no episode, the first of them row {int(np.argmax(unmarked))}: the rows are not in the "
                "order of time, or the two were measured apart",
                "store rows in the order of time; where only noise differs, write a copy without `next_observations`",
            )
        if count:
            ends |= unmarked
            self.notes.append(
                f"{self._where}: split at {count} rows that no flag marks, since `next_observations` is not the "
                f"observation of the following row there (the first: row {int(np.argmax(unmarked))})"
            )


_ENDS_HINT = (
    "mark the last row of every episode in `terminals` or `timeouts`, or store `next_observations`, which shows them"
)


def _seams(observations: Any, following: Any) -> np.ndarray:
    """Return after which rows another episode begins, bool (N,); False for the last row."""
    rows = len(observations)
    size = max(1, BLOCK_BYTES // max(1, int(np.prod(observations.shape[1:])) * observations.dtype.itemsize))
    tolerance = 4 * max(_rounding(observations.dtype), _rounding(following.dtype))
    seams = np.zeros(rows, bool)
    last = None  # `following` of the row before the block
    for first in range(0, rows, size):
        now, then = (np.asarray(array[first : first + size]) for array in (observations, following))
        before = then[:-1] if last is None else np.concatenate([last, then[:-1]])
        here = now[1:] if last is None else now
        start = first if last is None else first - 1
        seams[start : start + len(here)] = ~_equal(here, before, tolerance)
        last = then[-1:]
    return seams


def _equal(one: np.ndarray, other: np.ndarray, tolerance: float) -> np.ndarray:
    """Compare row by row, up to rounding."""
    same = np.isclose(one, other, rtol=tolerance, atol=0.0, equal_nan=True)
    return np.asarray(same.all(axis=tuple(range(1, same.ndim))))


def _rounding(dtype: np.dtype) -> float:
    return float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0
