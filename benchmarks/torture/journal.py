"""Records what a command does to a folder, as far as a power cut could undo it.

    python -m benchmarks.torture.journal FOLDER JOURNAL ARGUMENT…

runs `spirl ARGUMENT…` and writes a *moment* before every fsync, rename and hard link: what is on the disk for certain,
which changes of names may or may not be there, and the content of all files, both as it is and as it was at the last
fsync. `benchmarks/torture/crashes.py` makes the possible states of the folder from them.

Renames, links and fsyncs are intercepted in this process; whatever else happened to the folder since the moment before,
by other processes and libraries too, is found by looking. What other processes sync counts as not synced.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FOLDER = -1  # node of every folder

Names = dict[str, int]  # path below the folder → node
Change = tuple[str, str, str, int]  # kind, path, other path (of a rename), node


@dataclass(frozen=True)
class Moment:
    """What there was just before an event.

    Attributes:
        event: the event, for people.
        names: those that are on the disk for certain.
        pending: changes of names since then, in order, that may be on the disk.
        content: of each file: digest at the last fsync (None: there was none), and digest now.
    """

    event: str
    names: Names
    pending: tuple[Change, ...]
    content: dict[int, tuple[str | None, str]]


def apply(names: Names, change: Change) -> None:
    """Make a change to names, as far as what it is about is there."""
    kind, path, other, node = change
    if kind in ("create", "link", "folder"):
        names[path] = node
    elif kind == "unlink":
        for one in [one for one in names if one == path or one.startswith(f"{path}/")]:
            del names[one]
    elif path in names:
        moved = {one: found for one, found in names.items() if one == path or one.startswith(f"{path}/")}
        apply(names, ("unlink", other, "", node))
        for one, found in moved.items():
            del names[one]
            names[other + one.removeprefix(path)] = found


def touches(change: Change, folder: str) -> bool:
    """Say whether a change is one of the names in a folder, so that an fsync of the folder keeps it."""
    kind, path, other, _ = change
    return folder in {os.path.dirname(one) for one in ((path, other) if kind == "rename" else (path,))}


class Journal:
    """The folder as this process has changed it, and what of it is on the disk.

    Args:
        folder: whose changes are recorded; what is in it already is on the disk.
        out: where moments and contents are written.
    """

    def __init__(self, folder: Path, out: Path) -> None:
        self._folder, self._blobs = os.path.realpath(folder), out / "contents"
        self._blobs.mkdir(parents=True)
        self._moments = (out / "moments.jsonl").open("w")
        self._names: Names = {}
        self._seen: dict[int, tuple[int, int, int]] = {}  # node → inode, time of change, size
        self._content: dict[int, tuple[str | None, str]] = {}
        self._pending: list[Change] = []
        self._nodes = 0
        self._look()
        self._durable = dict(self._names)
        self._content = {node: (now, now) for node, (_, now) in self._content.items()}
        self._pending.clear()

    def moment(self, event: str) -> None:
        """Look at the folder and write down what a power cut at this moment could leave."""
        self._look()
        alive = {*self._durable.values(), *self._names.values(), *(change[3] for change in self._pending)}
        content = {node: kept for node, kept in self._content.items() if node in alive}
        found = Moment(event, self._durable, tuple(self._pending), content)
        self._moments.write(json.dumps(asdict(found)) + "\n")
        self._moments.flush()

    def renamed(self, source: str, target: str) -> None:
        """Note a rename that has happened."""
        self._note(("rename", source, target, self._names.get(source, FOLDER)))

    def linked(self, source: str, target: str) -> None:
        """Note a second name of a file."""
        self._note(("link", target, "", self._names[source]))

    def synced(self, path: str) -> None:
        """Note that a file's content, or a folder's names, are on the disk."""
        node = self._names.get(path, FOLDER)
        if node != FOLDER:
            self._content[node] = (self._content[node][1], self._content[node][1])
            return
        kept = [change for change in self._pending if touches(change, path)]
        for change in kept:
            apply(self._durable, change)
        self._pending = [change for change in self._pending if change not in kept]

    def below(self, path: Any) -> str | None:
        """Return a path relative to the folder; None for one outside."""
        place = os.path.realpath(os.path.dirname(os.path.abspath(os.fsdecode(path))))
        whole = os.path.join(place, os.path.basename(os.fsdecode(path)))
        if whole == self._folder:
            return ""
        return whole.removeprefix(f"{self._folder}/") if whole.startswith(f"{self._folder}/") else None

    def _note(self, change: Change) -> None:
        self._pending.append(change)
        apply(self._names, change)

    def _look(self) -> None:
        """Find what has changed without a rename, a link or an fsync of this process."""
        found = dict(self._walk())
        for path in [path for path in self._names if path not in found]:
            self._note(("unlink", path, "", FOLDER))
        for path, status in found.items():
            if status is None:
                if path not in self._names:
                    self._note(("folder", path, "", FOLDER))
            else:
                self._look_at(path, (status.st_ino, status.st_mtime_ns, status.st_size))

    def _look_at(self, path: str, mark: tuple[int, int, int]) -> None:
        node = self._names.get(path, FOLDER)
        if node != FOLDER and self._seen[node][0] != mark[0]:  # another file has taken its place
            self._note(("unlink", path, "", node))
            node = FOLDER
        if node == FOLDER:
            self._nodes += 1
            node = self._nodes
            self._note(("create", path, "", node))
        if self._seen.get(node) != mark:
            self._seen[node] = mark
            self._content[node] = (self._content.get(node, (None, ""))[0], self._keep(path))

    def _keep(self, path: str) -> str:
        data = b""
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            data = Path(self._folder, path).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if not (self._blobs / digest).exists():
            (self._blobs / digest).write_bytes(data)
        return digest

    def _walk(self) -> Iterator[tuple[str, os.stat_result | None]]:
        """Yield every path, folders before what is in them, with its state; None for folders."""
        for folder, folders, files in os.walk(self._folder):
            base = os.path.relpath(folder, self._folder)
            for name in sorted(folders):
                yield os.path.normpath(os.path.join(base, name)), None
            for name in sorted(files):
                with contextlib.suppress(FileNotFoundError):
                    yield os.path.normpath(os.path.join(base, name)), os.lstat(os.path.join(folder, name))


def intercept(journal: Journal) -> None:
    """Let a journal note what this process does from now on."""
    rename, link, fsync = os.rename, os.link, os.fsync

    def watched(real: Callable[..., None], note: Callable[[str, str], None]) -> Callable[..., None]:
        def call(source: Any, target: Any, **options: Any) -> None:
            places = journal.below(source), journal.below(target)
            inside = all(place is not None for place in places)
            if inside:
                journal.moment(f"{real.__name__} {places[0]} {places[1]}")
            real(source, target, **options)
            if inside:
                note(str(places[0]), str(places[1]))

        return call

    def watched_fsync(descriptor: int) -> None:
        place = journal.below(os.readlink(f"/proc/self/fd/{descriptor}"))
        if place is not None:
            journal.moment(f"fsync {place}")
        fsync(descriptor)
        if place is not None:
            journal.synced(place)

    os.replace = watched(os.replace, journal.renamed)
    os.rename = watched(rename, journal.renamed)
    os.link = watched(link, journal.linked)
    os.fsync = watched_fsync  # type: ignore[assignment]


def read_moments(out: Path) -> list[Moment]:
    """Return what a command's journal holds."""
    moments = []
    for line in (out / "moments.jsonl").read_text().splitlines():
        data = json.loads(line)
        content = {int(node): (synced, now) for node, (synced, now) in data["content"].items()}
        moments.append(Moment(data["event"], data["names"], tuple(map(tuple, data["pending"])), content))
    return moments


def main() -> None:
    """Run a command under a journal."""
    folder, out, *arguments = sys.argv[1:]
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # so that demonstrations are made in this process
    journal = Journal(Path(folder), Path(out))
    intercept(journal)
    sys.argv = ["spirl", *arguments]

    from spirl_cli.cli.app import main as spirl

    try:
        spirl()
    finally:
        journal.moment("end")


if __name__ == "__main__":
    main()
