"""A complete artifact on disk, whose files are checked before they are read."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from spirl_cli.errors import ArtifactError, did_you_mean
from spirl_cli.seals import seal_problem
from spirl_cli.store.fingerprint import is_fingerprint_of, sha256_file
from spirl_cli.store.head import Head, head_of
from spirl_cli.store.index import Index
from spirl_cli.store.manifest import InputRecord, Manifest, OutputRecord
from spirl_cli.store.manifest_file import parse_manifest, read_manifest
from spirl_cli.store.names import MANIFEST

Section = TypeVar("Section")

# Files whose checksum this process has seen to be right: (path, size, modification time in
# ns, checksum).
_verified: set[tuple[str, int, int, str]] = set()
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP)


@dataclass(frozen=True)
class Artifact:
    """A folder with a readable manifest. Two are equal when they are the same folder.

    Attributes:
        head: the manifest in short.
        data: bytes of `manifest.json` when the artifact was opened.
        sha256: their checksum, by which other artifacts refer to this one.
    """

    path: Path
    head: Head = field(compare=False, repr=False)
    data: bytes = field(compare=False, repr=False)
    sha256: str = field(compare=False, repr=False)

    @classmethod
    def open(cls, path: Path, index: Index | None = None) -> Artifact:
        """Read the manifest in a folder; the index spares decoding it where it was decoded before.

        Raises:
            ArtifactError: when it is missing, corrupt or of a newer format.
        """
        data = read_manifest(path / MANIFEST)
        sha256 = hashlib.sha256(data).hexdigest()
        head = index.get(sha256) if index is not None else None
        if head is not None:  # these very bytes were checked before
            return cls(path, head, data, sha256)
        manifest = parse_manifest(data, str(path / MANIFEST))
        if problem := seal_problem(path / MANIFEST):
            raise ArtifactError(problem, f"move {path} elsewhere and run the stage again")
        artifact = cls(path, head_of(manifest), data, sha256)
        artifact.__dict__["manifest"] = manifest
        if index is not None:
            index.add(sha256, artifact.head)
        return artifact

    @cached_property
    def manifest(self) -> Manifest:
        """All that the manifest says."""
        return parse_manifest(self.data, str(self.path / MANIFEST))

    @property
    def reference(self) -> str:
        """`recipe/stage@vN`."""
        return self.head.reference

    @property
    def fingerprint(self) -> str:
        """Identity of what determines the content, 12 hexadecimal digits."""
        return self.head.fingerprint

    def as_input(self) -> InputRecord:
        """Return the record by which an artifact made from this one names it."""
        return InputRecord(self.reference, self.fingerprint, self.sha256)

    def section(self, name: str, read: Callable[[Any], Section]) -> Section:
        """Return a section of the parameters in its typed form.

        Args:
            name: of the section, such as `train_rl`.
            read: makes it of plain data; raises `ValueError` where it cannot.

        Raises:
            ArtifactError: there is no such section, or it holds something else.
        """
        try:
            return read(self.manifest.parameters[name])
        except (KeyError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ArtifactError(
                f"{self.reference}: its parameters '{name}' cannot be read: {reason}",
                "use an artifact that this version of spirl made",
            ) from error

    def file(self, name: str) -> Path:
        """Path of a file of the payload, after its size and checksum were found right.

        The checksum is computed once per process for an unchanged file.

        Raises:
            ArtifactError: when the artifact has no such file, or it is missing or corrupt.
        """
        for output in self.manifest.outputs:
            if output.file == name:
                return self._checked(output)
        known = [output.file for output in self.manifest.outputs]
        raise ArtifactError(f"{self.reference} has no file '{name}'.{did_you_mean(name, known)}")

    def folder(self, name: str) -> Path:
        """Path of a folder of the payload, after all its files were found right.

        Raises:
            ArtifactError: when the artifact has no such folder, or a file in it is corrupt.
        """
        outputs = [output for output in self.manifest.outputs if output.file.startswith(f"{name}/")]
        if not outputs:
            raise ArtifactError(f"{self.reference} has no folder '{name}'")
        for output in outputs:
            self._checked(output)
        return self.path / name

    def verify(self) -> list[str]:
        """Compute the fingerprint again and read every file; returns a sentence per fault, empty when all is well."""
        problems = [self._problem(output) for output in self.manifest.outputs]
        return [problem for problem in (self._wrong_identity(), *problems) if problem]

    def _wrong_identity(self) -> str | None:
        """Say that the manifest was edited: its fingerprint is not that of its parameters and inputs."""
        manifest = self.manifest
        inputs = {name: record.fingerprint for name, record in manifest.inputs.items()}
        facts = (manifest.stage, manifest.stage_version, manifest.parameters, inputs)
        if is_fingerprint_of(manifest.fingerprint, *facts):
            return None
        return f"{self.path / MANIFEST} does not have the fingerprint of its parameters and inputs"

    def incomplete(self) -> str | None:
        """Return the first file that is missing or of the wrong size, found without reading any."""
        folder = str(self.path)
        problems = (_size_problem(f"{folder}/{file}", size) for file, size in self.head.files)
        return next(filter(None, problems), None)

    def _checked(self, output: OutputRecord) -> Path:
        path = self.path / output.file
        if _state(path, output) not in _verified:
            if problem := self._problem(output):
                raise ArtifactError(
                    f"{self.reference} is corrupt: {problem}",
                    hint=f"move {self.path} elsewhere and run the stage again",
                )
            if state := _state(path, output):
                _verified.add(state)
        return path

    def _problem(self, output: OutputRecord) -> str | None:
        path = self.path / output.file
        if problem := _size_problem(str(path), output.bytes):
            return problem
        try:
            if sha256_file(path) != output.sha256:
                return f"{path} does not have the checksum in the manifest"
        except OSError as error:
            return f"{path} cannot be read ({error.strerror})"
        return None


def open_complete(path: Path) -> Artifact:
    """Open an artifact and see that all its files are there with the right sizes.

    Raises:
        ArtifactError: when it is corrupt or incomplete.
    """
    artifact = Artifact.open(path)
    if problem := artifact.incomplete():
        raise ArtifactError(
            f"{artifact.reference} is incomplete: {problem}", hint=f"move {path} elsewhere and run the stage again"
        )
    return artifact


def _size_problem(path: str, size: int) -> str | None:
    """Say that a file is missing or has another size; a text, since a list asks it of all files of a store."""
    try:
        status = os.stat(path)
    except OSError as error:
        return f"{path} is missing" if error.errno in _MISSING else f"{path} cannot be read ({error.strerror})"
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is missing"
    return None if status.st_size == size else f"{path} has {status.st_size} bytes instead of {size}"


def _state(path: Path, output: OutputRecord) -> tuple[str, int, int, str] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return os.path.abspath(path), status.st_size, status.st_mtime_ns, output.sha256
