"""Checksums beside files, so that one flipped bit is found: `.NAME.sha256` is the seal of `NAME`.

A seal holds the number of bytes that it vouches for, from the beginning of the file, and their checksum. So a log that
grows can be sealed each time when all of it is on disk. A file without a seal is one that nobody vouches for: of an
older version of spirl, or written in the moment before a crash.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from spirl_cli.files import SEAL_SUFFIX, sync, write_whole, written_whole

_BLOCK = 1 << 20  # bytes read at once
_LONGEST = 128  # bytes of a seal


def seal_of(path: Path) -> Path:
    """Return where the seal of a file stands."""
    return path.with_name(f".{path.name}{SEAL_SUFFIX}")


@contextlib.contextmanager
def written_sealed(path: Path, size: int | None = None) -> Iterator[Path]:
    """Yield a temporary sibling of a file to write; on success it takes the file's place and is sealed.

    A crash at any moment leaves the old file, or the new one, with its own seal or none.

    Args:
        path: as of `spirl_cli.files.written_whole`.
        size: bytes that the file will have, as far as this is known.
    """
    with written_whole(path, size) as temporary:
        yield temporary
        seal = _content(temporary)
        break_seal(path)
    write_whole(seal_of(path), seal)


def write_sealed(path: Path, data: bytes) -> None:
    """Write a file as `spirl_cli.files.write_whole` does, and seal it."""
    with written_sealed(path, len(data)) as temporary:
        temporary.write_bytes(data)


def seal(path: Path) -> None:
    """Seal what a file holds now, all of which is on disk; it may grow afterwards, but not change."""
    write_whole(seal_of(path), _content(path))


def break_seal(path: Path) -> None:
    """Vouch no longer for a file that is about to change; this is on disk when the call returns."""
    if seal_of(path).exists():
        seal_of(path).unlink()
        sync(path.parent)


def remove_sealed(path: Path) -> None:
    """Delete a file with its seal, if they are there."""
    path.unlink(missing_ok=True)
    seal_of(path).unlink(missing_ok=True)


def seal_problem(path: Path) -> str | None:
    """Say how a file differs from its seal; None if it does not, is not there, or has no seal."""
    if not seal_of(path).is_file():
        return None
    try:
        with seal_of(path).open("rb") as file:
            content = file.read(_LONGEST)
        with contextlib.suppress(ValueError, IndexError):
            if _content(path, int(content.split()[1])) == content:
                return None
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    return f"{path} is damaged: it does not have the checksum in {seal_of(path).name}"


def seal_problems(folder: Path, besides: Sequence[str] = ()) -> dict[Path, str]:
    """Compare the files below a folder with their seals.

    Args:
        folder: whose files.
        besides: patterns of names that are left out.

    Returns:
        a sentence for each damaged file.
    """
    problems = {}
    for found in sorted(folder.rglob(f".*{SEAL_SUFFIX}")):
        path = found.with_name(found.name.removeprefix(".").removesuffix(SEAL_SUFFIX))
        if not any(map(path.match, besides)) and (problem := seal_problem(path)):
            problems[path] = problem
    return problems


def _content(path: Path, size: int | None = None) -> bytes:
    """Return the seal of the first bytes of a file; without a size, of all.

    Raises:
        ValueError: the file has fewer bytes.
    """
    digest, left = hashlib.sha256(), path.stat().st_size if size is None else size
    total = left
    with path.open("rb") as file:
        while block := file.read(min(left, _BLOCK)):
            digest.update(block)
            left -= len(block)
    if left:
        raise ValueError(f"{path} is shorter than its seal says")
    return f"{digest.hexdigest()} {total}\n".encode()
