"""A complete artifact on disk, whose files are checked before they are read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from spirl_cli.errors import ArtifactError, did_you_mean
from spirl_cli.seals import seal_problem
from spirl_cli.store.fingerprint import is_fingerprint_of, sha256_file
from spirl_cli.store.manifest import InputRecord, Manifest, OutputRecord
from spirl_cli.store.manifest_file import read_manifest
from spirl_cli.store.names import MANIFEST

Section = TypeVar("Section")

# Files whose checksum this process has seen to be right: (path, size, modification time in
# ns, checksum).
_verified: set[tuple[str, int, int, str]] = set()


@dataclass(frozen=True)
class Artifact:
    """A folder with a readable manifest. Two are equal when they are the same folder.

    `sha256` is the checksum of `manifest.json`, by which other artifacts refer to this one.
    """

    path: Path
    manifest: Manifest = field(compare=False, repr=False)
    sha256: str = field(compare=False, repr=False)

    @classmethod
    def open(cls, path: Path) -> Artifact:
        """Read the manifest in a folder.

        Raises:
            ArtifactError: when it is missing, corrupt or of a newer format.
        """
        manifest, data = read_manifest(path / MANIFEST)
        if problem := seal_problem(path / MANIFEST):
            raise ArtifactError(problem, f"move {path} elsewhere and run the stage again")
        return cls(path, manifest, hashlib.sha256(data).hexdigest())

    @property
    def reference(self) -> str:
        """`recipe/stage@vN`."""
        return self.manifest.reference

    @property
    def fingerprint(self) -> str:
        """Identity of what determines the content, 12 hexadecimal digits."""
        return self.manifest.fingerprint

    @property
    def bytes(self) -> int:
        """Size of the payload."""
        return sum(output.bytes for output in self.manifest.outputs)

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
        problems = [self._problem(output, checksum=True) for output in self.manifest.outputs]
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
        return next(self._quick_problems(), None)

    def _quick_problems(self) -> Iterator[str]:
        for output in self.manifest.outputs:
            if problem := self._problem(output, checksum=False):
                yield problem

    def _checked(self, output: OutputRecord) -> Path:
        path = self.path / output.file
        if _state(path, output) not in _verified:
            if problem := self._problem(output, checksum=True):
                raise ArtifactError(
                    f"{self.reference} is corrupt: {problem}",
                    hint=f"move {self.path} elsewhere and run the stage again",
                )
            if state := _state(path, output):
                _verified.add(state)
        return path

    def _problem(self, output: OutputRecord, *, checksum: bool) -> str | None:
        path = self.path / output.file
        try:
            if not path.is_file():
                return f"{path} is missing"
            if (size := path.stat().st_size) != output.bytes:
                return f"{path} has {size} bytes instead of {output.bytes}"
            if checksum and sha256_file(path) != output.sha256:
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


def _state(path: Path, output: OutputRecord) -> tuple[str, int, int, str] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return os.path.abspath(path), status.st_size, status.st_mtime_ns, output.sha256
