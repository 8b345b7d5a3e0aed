"""New datasets in the folder that all processes share: one process makes each of them, and it appears whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spirl_cli.demos.formats.minari import require_datasets_folder
from spirl_cli.files import make_folder, publish_folder
from spirl_cli.room import room_for

_POLL_SECONDS = 0.2


@contextmanager
def only_maker(dataset_id: str, announce: Callable[[str], None], does: str = "makes") -> Iterator[None]:
    """Be the only process that makes a dataset; what a killed one left half written is removed.

    Args:
        dataset_id: of the Minari dataset. It may exist once the block begins, made by the process that was waited for.
        announce: receives a message before waiting.
        does: what the other process does, for the message.

    Raises:
        DatasetError: this user has no folder of datasets.
    """
    from filelock import FileLock, Timeout

    root = require_datasets_folder()
    with room_for(root / dataset_id):
        make_folder(root)
        lock = FileLock(root / f"{_prefix(dataset_id)}lock")  # hidden, so that Minari lists no dataset there
        try:
            lock.acquire(timeout=0)
        except Timeout:
            announce(f"another process {does} {dataset_id}; waiting for it")
            lock.acquire(poll_interval=_POLL_SECONDS)
    try:
        for left in root.glob(f"{_prefix(dataset_id)}*"):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        lock.release()


@contextmanager
def published(dataset_id: str) -> Iterator[Path]:
    """Yield a folder of datasets in which to make one; on success it gets its place among the others.

    Raises:
        OSError: the place is taken.
        DatasetError: this user has no folder of datasets.
        DiskFullError: there is no room for it.
    """
    root = require_datasets_folder()
    with room_for(root / dataset_id):
        make_folder(root)
        with tempfile.TemporaryDirectory(prefix=_prefix(dataset_id), dir=root) as name:
            yield Path(name)
            target = root / dataset_id
            make_folder(target.parent)
            publish_folder(Path(name) / dataset_id, target)


def _prefix(dataset_id: str) -> str:
    return f".making-{dataset_id.replace('/', '-')}-"
