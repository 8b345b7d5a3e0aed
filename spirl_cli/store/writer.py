"""Making an artifact: a locked run folder that becomes, whole or not at all, a version."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Required, TypedDict, Unpack

from spirl_cli.errors import ArtifactError
from spirl_cli.files import discard, files_below, link_or_copy, make_folder, publish_folder, sweep
from spirl_cli.payload import CHECKPOINTS, REPLAY_FILES
from spirl_cli.seals import seal_of, seal_problems, write_sealed
from spirl_cli.store import provenance
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.fingerprint import plain, sha256_file
from spirl_cli.store.locks import forget_dead_holders, hold, now, run_lock, stage_lock, written_store
from spirl_cli.store.manifest import InputRecord, Manifest, OutputRecord
from spirl_cli.store.names import (
    MANIFEST,
    check_recipe,
    check_stage,
    parse_run_folder,
    parse_version_folder,
    run_folder,
    version_folder,
)
from spirl_cli.store.runs import RUN_FILE, is_finished, read_started
from spirl_cli.store.store import Store

_STAGING = ".staging-"


@contextmanager
def open_run(
    store: Store,
    recipe: str,
    stage: str,
    fingerprint: str,
    *,
    wait: bool = True,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[Run]:
    """Be the only process that makes the artifact with this fingerprint, until the block ends.

    After it ends without a commit, by an exception or a kill, the run folder stays if there is
    anything in it, so that the next `open_run` with the same fingerprint resumes from that.

    Args:
        wait: whether to wait for another process that holds the run, or to raise.
        on_wait: called once with a sentence that says who holds it, before waiting.

    Raises:
        ArtifactError: when another process holds the run and `wait` is false, or the store
            cannot be written to.
        UsageError: when the recipe's id cannot name a folder, or there is no such stage.
    """
    check_recipe(recipe)
    check_stage(stage)
    folder = store.run_folder(recipe, stage, fingerprint).parent
    with ExitStack() as stack:
        with written_store(store.root):
            make_folder(folder)
            lock = run_lock(folder, fingerprint)
            stack.enter_context(hold(lock, f"{recipe}/{stage}", wait=wait, on_wait=on_wait))
            sweep(folder)
            _sweep_commits(folder, fingerprint)
            run = Run(store, recipe, stage, fingerprint)
            _refuse_links(store.run_folder(recipe, stage, fingerprint))
        try:
            yield run
        finally:
            run.forget_if_empty()


class Facts(TypedDict, total=False):
    """What the stage tells the manifest of its artifact.

    Attributes:
        stage_version, parameters: as in the fingerprint.
        inputs: name -> record, such as `artifact.as_input()`.
        seed: of the stage.
        profile: the recipe's profile; artifacts of `quick` are never picked as newest.
        metrics: headline numbers.
        extra: further facts, JSON data.
        seconds: duration over all sessions; None takes that of this session.
        command: the command line; None takes that of this process.
    """

    stage_version: Required[int]
    parameters: Required[Mapping[str, Any]]
    inputs: Required[Mapping[str, InputRecord]]
    seed: Required[int]
    profile: str | None
    metrics: Mapping[str, float] | None
    extra: Mapping[str, Any] | None
    seconds: float | None
    command: Sequence[str] | None


class Run:
    """An exclusive session on the run folder of one fingerprint; made by `open_run`.

    Attributes:
        existing: the complete artifact with this fingerprint, when there is one already, for
            instance made by the process that was waited for.
    """

    def __init__(self, store: Store, recipe: str, stage: str, fingerprint: str) -> None:
        self.recipe = recipe
        self.stage = stage
        self.fingerprint = fingerprint
        self._path = store.run_folder(recipe, stage, fingerprint)
        self._commit = provenance.checkout_commit()  # of the code that runs now, not at the end
        self._began = time.monotonic()
        self.existing = store.find(stage, fingerprint, recipe)
        self._finish_earlier_commit()

    @property
    def folder(self) -> Path:
        """The run folder, created on first use and kept between sessions."""
        if read_started(self._path) is None:
            make_folder(self._path)
            content = json.dumps({"started": now()}) + "\n"
            write_sealed(self._path / RUN_FILE, content.encode())
        return self._path

    def fresh(self) -> Path:
        """Throw away what earlier sessions left; returns the empty run folder."""
        discard(self._path)
        return self.folder

    def require_sound(self) -> None:
        """Look whether all that earlier sessions left is as they left it.

        Checkpoints are not looked at: a stage that cannot read one goes on from the one before.

        Raises:
            ArtifactError: a file is damaged.
        """
        for problem in seal_problems(self._path, besides=(CHECKPOINTS, REPLAY_FILES)).values():
            raise ArtifactError(
                problem,
                "put a sound copy in its place, or move it elsewhere, and run the same command again: "
                "what can be made again is made again",
            )

    def forget_if_empty(self) -> None:
        """Delete a run folder that nothing was written to: there is nothing to resume."""
        facts = {RUN_FILE, seal_of(self._path / RUN_FILE).name}
        if self._path.is_dir() and facts.issuperset(path.name for path in self._path.iterdir()):
            discard(self._path)

    def commit(self, *, keep: Sequence[str], **facts: Unpack[Facts]) -> Artifact:
        """Turn the kept files into the next version of the artifact and delete the run folder.

        Until the single rename that makes the artifact appear, the run folder is untouched: a
        commit that is cut short anywhere can be repeated. All files must have been closed.

        Args:
            keep: files and folders of the run folder that form the payload.
            facts: see `Facts`.

        Raises:
            FileNotFoundError: when something to keep does not exist.
            ValueError: when a name to keep leads out of the run folder or is the manifest's.
        """
        manifest = self._manifest(facts)
        staging = self._path.with_name(f"{_STAGING}{self.fingerprint}")
        discard(staging)
        outputs = _stage_files(self._path, staging, keep)
        with stage_lock(self._path.parent):
            manifest = replace(manifest, version=_next_version(self._path.parent), outputs=outputs, finished=now())
            write_sealed(staging / MANIFEST, manifest.to_json())
            artifact = self._path.with_name(version_folder(manifest.version, self.fingerprint))
            publish_folder(staging, artifact)  # the one step at which the artifact comes into being
        discard(self._path)
        self.existing = Artifact.open(artifact)
        return self.existing

    def _manifest(self, facts: Facts) -> Manifest:
        """Return the manifest as far as it is known before the files are staged."""
        command, seconds = facts.get("command"), facts.get("seconds")
        return Manifest(
            recipe=self.recipe,
            stage=self.stage,
            stage_version=facts["stage_version"],
            version=0,
            fingerprint=self.fingerprint,
            profile=facts.get("profile"),
            parameters=plain(facts["parameters"]),
            inputs=dict(facts["inputs"]),
            outputs=[],
            seed=facts["seed"],
            packages=provenance.installed_packages(),
            machine=provenance.machine(),
            commit=self._commit,
            command=provenance.command_line() if command is None else list(command),
            started=read_started(self.folder) or now(),
            finished="",
            seconds=time.monotonic() - self._began if seconds is None else seconds,
            metrics={name: float(value) for name, value in (facts.get("metrics") or {}).items()},
            extra=plain(facts.get("extra") or {}),
        )

    def _finish_earlier_commit(self) -> None:
        """Delete what a commit that was killed left: its staging folder, or its finished run folder."""
        staging = self._path.with_name(f"{_STAGING}{self.fingerprint}")
        discard(staging)
        if self.existing is not None and read_started(self._path) == self.existing.manifest.started:
            discard(self._path)


def tidy(stage_folder: Path) -> None:
    """Delete what commits and deletions that were cut short left beside artifacts, where this process may."""
    with suppress(ArtifactError, OSError):
        sweep(stage_folder)
        _sweep_commits(stage_folder, own="")
        forget_dead_holders(stage_folder)


def _refuse_links(folder: Path) -> None:
    """Refuse an unfinished run that a stranger packed: what goes on in it would be written to where a link leads.

    Raises:
        ArtifactError: the folder is a link, or there is one in it.
    """
    link = next((path for path in (folder, *folder.rglob("*")) if path.is_symlink()), None)
    if link is not None:
        raise ArtifactError(
            f"{link} is a link to {os.readlink(link)}: an unfinished run is not continued through it",
            "move it elsewhere, and if it is yours put a copy of what it leads to in its place; then run the same "
            "command again",
        )


def _sweep_commits(folder: Path, own: str) -> None:
    """Delete what killed commits of other fingerprints left: staged files, and runs that have become artifacts."""
    for path in (*folder.glob(f"{_STAGING}*"), *folder.glob(run_folder("*"))):
        fingerprint = parse_run_folder(path.name) or path.name.removeprefix(_STAGING)
        staged = path.name.startswith(_STAGING)
        if fingerprint == own or not (staged or is_finished(path, fingerprint)):
            continue
        with suppress(ArtifactError), hold(run_lock(folder, fingerprint), path.name, wait=False):
            discard(path)


def _stage_files(run: Path, staging: Path, keep: Sequence[str]) -> list[OutputRecord]:
    """Give the kept files a second name below `staging`."""
    staging.mkdir()
    outputs = []
    for source in files_below(run, keep):
        name = source.relative_to(run).as_posix()
        if name == MANIFEST:
            raise ValueError(f"'{MANIFEST}' is the name of the artifact's manifest")
        copy = staging / name
        link_or_copy(source, copy)
        outputs.append(OutputRecord(name, copy.stat().st_size, sha256_file(copy)))
    return outputs


def _next_version(stage_folder: Path) -> int:
    versions = (parse_version_folder(path.name) for path in stage_folder.iterdir())
    return 1 + max((version[0] for version in versions if version), default=0)
