"""The states in which a power cut may leave a folder, from the journal of a command.

At every moment of the journal:

- of the changes of names that were not synced, the first so many are on the disk, as file systems with a journal
  order them; or all but one, as POSIX also allows;
- a file that was not synced has its present content, half of it, nothing, or zeros in its length. One that only grew
  since its last fsync keeps what was synced; of what came later there is nothing, half, or zeros.

Either all such files have the same fate, or all but one have their present content.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from benchmarks.torture.journal import FOLDER, Moment, Names, apply, read_moments

WHOLE, OTHER_FATES = "whole", ("half", "empty", "zeros", "as synced")
_TEMPORARY = re.compile(r"\.(.+)\.\d+\.tmp")  # what nobody reads: its content is not told apart


@dataclass(frozen=True)
class Kept:
    """What is left of a file: digests of its content at the last fsync and now, and its fate."""

    synced: str | None
    now: str
    fate: str

    def data(self, contents: Path) -> bytes:
        """Return what a program reads."""
        old, data = b"" if self.synced is None else _read(contents, self.synced), _read(contents, self.now)
        if self.fate == WHOLE:
            return data
        if self.fate == "as synced":
            return old
        kept = len(old) if data.startswith(old) else 0
        rest = len(data) - kept
        return data[:kept] + {"half": data[kept : kept + rest // 2], "empty": b"", "zeros": bytes(rest)}[self.fate]


@dataclass(frozen=True)
class State:
    """A folder after a power cut.

    Attributes:
        cause: the moment and the fate, for people.
        folders: paths of all folders.
        files: what is left of each file, by its path.
        contents: where the journal keeps contents.
    """

    cause: str
    folders: tuple[str, ...]
    files: dict[str, Kept]
    contents: Path

    @property
    def key(self) -> str:
        """Digest that two states share if they are the same but for what nobody reads."""
        shown: list[object] = [*sorted(self.folders)]
        for path, kept in sorted(self.files.items()):
            folder, name = os.path.split(path)
            temporary = _TEMPORARY.fullmatch(name)
            shown.append((folder, temporary[1]) if temporary else (folder, name, kept))
        return hashlib.sha256(repr(shown).encode()).hexdigest()

    def data(self) -> dict[str, bytes]:
        """Return the content of every file."""
        return {path: kept.data(self.contents) for path, kept in self.files.items()}

    def write(self, folder: Path) -> None:
        """Make the folder be so."""
        for path in ("", *sorted(self.folders)):
            (folder / path).mkdir(parents=True, exist_ok=True)
        for path, data in self.data().items():
            (folder / path).write_bytes(data)


def crash_states(out: Path) -> Iterator[State]:
    """Yield each state that a power cut could leave once, in the order of the moments."""
    seen: set[str] = set()
    for moment in read_moments(out):
        for names, lost in _names(moment):
            for state in _states(moment, names, lost, out / "contents"):
                if state.key not in seen:
                    seen.add(state.key)
                    yield state


def _names(moment: Moment) -> Iterator[tuple[Names, str]]:
    """Yield the names that may be there, each with what was lost."""
    pending = moment.pending
    kept = [(list(range(count)), f"{len(pending) - count} changes of names lost") for count in range(len(pending) + 1)]
    single = [
        ([one for one in range(len(pending)) if one != lost], f"{' '.join(map(str, pending[lost][:3]))} lost")
        for lost in range(len(pending) - 1)
    ]
    for indices, lost in [*kept, *single]:
        names = dict(moment.names)
        for index in indices:
            apply(names, pending[index])
        yield {path: node for path, node in names.items() if _reachable(path, names)}, lost


def _reachable(path: str, names: Names) -> bool:
    folder = os.path.dirname(path)
    return not folder or (names.get(folder) == FOLDER and _reachable(folder, names))


def _states(moment: Moment, names: Names, lost: str, contents: Path) -> Iterator[State]:
    folders = tuple(path for path, node in names.items() if node == FOLDER)
    files = {path: node for path, node in names.items() if node != FOLDER}
    unsynced = sorted({node for node in files.values() if moment.content[node][0] != moment.content[node][1]})
    fates: list[dict[int, str]] = [{}, *(dict.fromkeys(unsynced, fate) for fate in OTHER_FATES)]
    if len(unsynced) > 1:
        fates += [{node: fate} for node in unsynced for fate in OTHER_FATES]
    for fate in fates:
        kept = {path: Kept(*moment.content[node], fate.get(node, WHOLE)) for path, node in files.items()}
        shown = ", ".join(f"{path} {one.fate}" for path, one in kept.items() if one.fate != WHOLE)
        yield State(f"{moment.event}; {lost}; {shown}", folders, kept, contents)


@lru_cache(maxsize=512)
def _read(contents: Path, digest: str) -> bytes:
    return (contents / digest).read_bytes()
