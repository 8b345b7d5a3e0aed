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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.torture.journal import FOLDER, Moment, Names, apply, read_moments

Contents = Callable[[str], bytes]
FATES = ("whole", "half", "empty", "zeros", "as synced")
_TEMPORARY = re.compile(r"\.(.+)\.\d+\.tmp")  # what nobody reads: its content is not told apart


@dataclass(frozen=True)
class State:
    """A folder after a power cut.

    Attributes:
        cause: the moment and the fate, for people.
        folders: paths of all folders.
        files: paths and contents of all files.
    """

    cause: str
    folders: tuple[str, ...]
    files: dict[str, bytes]

    @property
    def key(self) -> str:
        """Digest that two states share if no program can tell them apart."""
        digest = hashlib.sha256(repr(sorted(self.folders)).encode())
        for path, data in sorted(self.files.items()):
            folder, name = os.path.split(path)
            temporary = _TEMPORARY.fullmatch(name)
            shown = (folder, temporary[1]) if temporary else (folder, name, hashlib.sha256(data).hexdigest())
            digest.update(repr(shown).encode())
        return digest.hexdigest()

    def write(self, folder: Path) -> None:
        """Make the folder be so."""
        for path in ("", *sorted(self.folders)):
            (folder / path).mkdir(parents=True, exist_ok=True)
        for path, data in self.files.items():
            (folder / path).write_bytes(data)


def crash_states(out: Path) -> Iterator[State]:
    """Yield each state that a power cut could leave once, in the order of the moments."""
    seen: set[str] = set()
    known: dict[str, bytes] = {}

    def content(digest: str) -> bytes:
        if digest not in known:
            known[digest] = (out / "contents" / digest).read_bytes()
        return known[digest]

    for moment in read_moments(out):
        for names, lost in _names(moment):
            for state in _states(moment, names, lost, content):
                if state.key not in seen:
                    seen.add(state.key)
                    yield state


def _names(moment: Moment) -> Iterator[tuple[Names, str]]:
    """Yield the names that may be there, each with what was lost."""
    pending = moment.pending
    kept = [(range(count), f"{len(pending) - count} changes of names lost") for count in range(len(pending) + 1)]
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


def _states(moment: Moment, names: Names, lost: str, content: Contents) -> Iterator[State]:
    folders = tuple(path for path, node in names.items() if node == FOLDER)
    files = {path: node for path, node in names.items() if node != FOLDER}
    unsynced = sorted({node for node in files.values() if moment.content[node][0] != moment.content[node][1]})
    fates: list[dict[int, str]] = [dict.fromkeys(unsynced, fate) for fate in FATES]
    if len(unsynced) > 1:
        fates += [{node: fate} for node in unsynced for fate in FATES[1:]]
    for fate in fates:
        written = {
            path: _after(*moment.content[node], fate.get(node, "whole"), content) for path, node in files.items()
        }
        shown = ", ".join(sorted({f"{path} {fate[node]}" for path, node in files.items() if node in fate}))
        yield State(f"{moment.event}; {lost}; {shown}", folders, written)


def _after(synced: str | None, now: str, fate: str, content: Contents) -> bytes:
    """Return what a file holds after a power cut."""
    old, data = b"" if synced is None else content(synced), content(now)
    if fate == "whole" or synced == now:
        return data
    if fate == "as synced":
        return old
    kept = len(old) if data.startswith(old) else 0
    rest = len(data) - kept
    return data[:kept] + {"half": data[kept : kept + rest // 2], "empty": b"", "zeros": bytes(rest)}[fate]
