"""One writer at a time: file locks that the operating system frees when their holder dies."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from spirl_cli.errors import ArtifactError

# A process that only asks whether a lock is free holds it for an instant; that is no reason to refuse.
_GRACE = 0.5  # seconds
_POLL = 0.2  # seconds
_LOCK_SUFFIX, _HOLDER_SUFFIX = ".lock", ".holder.json"
# What a full disk says is not among them: that is not the store's fault.
_NOT_WRITABLE = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.EEXIST,
    errno.ELOOP,  # a link where a lock should be
    errno.ENOENT,  # of a file system that takes no folders
)


@dataclass(frozen=True)
class Holder:
    """Who holds a lock; `started` is when it was taken (ISO 8601, UTC)."""

    process: int
    host: str
    started: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.host} since {self.started}"


def run_lock(stage_folder: Path, fingerprint: str) -> Path:
    """Return the lock beside the run folder of a fingerprint. Its file stays, since deleting it would race."""
    return stage_folder / f".run-{fingerprint}{_LOCK_SUFFIX}"


def now() -> str:
    """Return the time as ISO 8601 in UTC with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@contextmanager
def written_store(root: Path, hint: str = "choose another place with --artifacts DIR") -> Iterator[None]:
    """Say that a store cannot be written to, where that is what stops the block.

    Raises:
        ArtifactError: a folder of the store is read-only, or its path is none.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
        raise ArtifactError(f"cannot write to the store {root}: {error.strerror}", hint) from error


@contextmanager
def hold(lock: Path, what: str, *, wait: bool, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a lock, and name its holder in a file next to it.

    Args:
        lock: file of the lock, in an existing folder.
        what: what the lock protects, as it reads in messages ("kitchen/skills").
        wait: whether to wait for another holder, or to raise.
        on_wait: called once with a sentence before waiting.

    Raises:
        ArtifactError: when another process holds the lock and `wait` is false.
    """
    with _acquired(lock, what, wait, on_wait):
        sidecar = _sidecar(lock)
        holder = Holder(os.getpid(), platform.node(), now())
        try:
            sidecar.unlink(missing_ok=True)  # or a link that lies there would be followed
            sidecar.write_text(json.dumps(asdict(holder)), encoding="utf-8")
            yield
        finally:
            with contextlib.suppress(OSError):
                sidecar.unlink()


@contextmanager
def stage_lock(stage_folder: Path) -> Iterator[None]:
    """Hold the lock of a stage's folder for the moment in which artifacts appear or vanish.

    Raises:
        ArtifactError: the folder is read-only, or the lock is none.
    """
    with contextlib.ExitStack() as stack:
        with written_store(stage_folder.parents[1]):
            stack.enter_context(_acquired(stage_folder / ".stage.lock", str(stage_folder), True, None))
        yield


def is_locked(lock: Path) -> bool:
    """Whether some process, this one included, holds the lock right now."""
    if not lock.exists():
        return False
    from filelock import FileLock, Timeout

    probe = FileLock(lock)
    try:
        probe.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False  # a store that cannot be written to has no writers
    probe.release()
    return False


def holder_of(lock: Path) -> Holder | None:
    """Who holds the lock, as far as is known; meaningful only while it is held."""
    try:
        content = json.loads(_sidecar(lock).read_text(encoding="utf-8"))
        return Holder(int(content["process"]), str(content["host"]), str(content["started"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def forget_dead_holders(folder: Path) -> None:
    """Delete what says who holds a lock in a folder, where that process was killed and nobody holds it now.

    Raises:
        OSError: this process may not write there.
    """
    for sidecar in folder.glob(f".*{_HOLDER_SUFFIX}"):
        lock = sidecar.with_name(sidecar.name.removesuffix(_HOLDER_SUFFIX) + _LOCK_SUFFIX)
        with contextlib.suppress(ArtifactError), hold(lock, str(lock), wait=False):
            pass  # who has held it deletes it


@contextmanager
def _acquired(lock: Path, what: str, wait: bool, on_wait: Callable[[str], None] | None) -> Iterator[None]:
    from filelock import FileLock, Timeout  # here, so that reading artifacts stays fast

    file_lock = FileLock(lock)
    try:
        file_lock.acquire(timeout=_GRACE)
    except Timeout:
        busy = f"{what} is being written by {holder_of(lock) or 'another process'}"
        if not wait:
            raise ArtifactError(busy, hint="wait until it is done, or stop that process") from None
        if on_wait is not None:
            on_wait(f"{busy}; waiting for it")
        file_lock.acquire(poll_interval=_POLL)
    try:
        yield
    finally:
        file_lock.release()


def _sidecar(lock: Path) -> Path:
    return lock.with_suffix(_HOLDER_SUFFIX)
