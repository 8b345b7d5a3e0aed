"""The inputs and the result of a stage.

This module holds only plain data, so that importing it is fast. Every stage module has one entry::

    def execute(context: StageContext) -> StageResult: ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spirl_cli.demos.saving.target import Format
    from spirl_cli.monitor.reporter import Reporter
    from spirl_cli.recipe.schema import Recipe
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.manifest import InputRecord


@dataclass(frozen=True)
class StageSpec:
    """Description of a stage, listed in the graph of `spirl_cli.pipeline`.

    Attributes:
        name: name of the stage and of its artifacts: `clips`, `skills`, `prior`, `agent`
            or `evaluation`.
        command: the command line's word: `extract`, `train-skills`, ...
        section: the stage's section of a recipe: `extract`, `train_skills`, ...
        version: to be raised when equal parameters give a different result than before; part of the fingerprint.
        inputs: names of the stages that make the artifacts it reads.
        parameters: returns the values of a resolved recipe that affect the result.
        module: name of the module with `execute`; it is imported only when the stage runs.
        continuation: patterns of the files in its artifacts that only further training needs.
        reads_dataset: whether a dataset is an input too. In this case the module also has `identify(recipe)`, which
            identifies the dataset if it is on this computer, and `obtain(recipe, reporter)`, which fetches it.
    """

    name: str
    command: str
    section: str
    version: int
    inputs: tuple[str, ...]
    parameters: Callable[[Recipe], dict[str, Any]]
    module: str
    continuation: tuple[str, ...] = ()
    reads_dataset: bool = False


@dataclass(frozen=True)
class ExtractOptions:
    """Options of `extract` besides the recipe.

    Attributes:
        dataset: the dataset in the fingerprint: the recipe's or its stand-in. None means the recipe's.
    """

    dataset: InputRecord | None = None


@dataclass(frozen=True)
class TrainRLOptions:
    """Options of `train-rl` besides the recipe.

    Attributes:
        continue_from: a finished run with fewer steps to be continued.
    """

    continue_from: Artifact | None = None


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of `evaluate` besides the recipe. They affect the result, so they are part of the fingerprint.

    Attributes:
        step: step of the only kept weights to evaluate, or `best`.
        save_dataset: id of a Minari dataset for the episodes of the first policy, or a file or folder.
        save_format: its format; None: the name tells.
    """

    step: int | str | None = None
    save_dataset: str | None = None
    save_format: Format | None = None

    def identity(self) -> dict[str, int | str]:
        """Return the options that are set, by name."""
        chosen = {"step": self.step, "save_dataset": self.save_dataset, "save_format": self.save_format}
        return {name: value for name, value in chosen.items() if value is not None}


@dataclass(frozen=True)
class Options:
    """The options of all stages; a field has the name of a stage's section."""

    extract: ExtractOptions = ExtractOptions()
    train_rl: TrainRLOptions = TrainRLOptions()
    evaluate: EvaluateOptions = EvaluateOptions()


@dataclass(frozen=True)
class StageContext:
    """All inputs of a stage.

    Attributes:
        recipe: the resolved recipe (section seeds are numbers, never None).
        spec: the stage itself.
        parameters: the values behind the fingerprint, as the manifest stores them.
        inputs: the input artifacts by stage name, for example `{"clips": ...}`.
        folder: folder of this run, for checkpoints and payload. It survives an interruption; the files in
            `StageResult.keep` become the artifact.
        reporter: the only way to talk to the user.
        device: `auto`, `cpu` or `cuda`.
        resume: continue from a checkpoint in `folder`, if there is one.
        options: options of stages besides the recipe.
    """

    recipe: Recipe
    spec: StageSpec
    parameters: Mapping[str, Any]
    inputs: Mapping[str, Artifact]
    folder: Path
    reporter: Reporter
    device: str = "auto"
    resume: bool = True
    options: Options = Options()


@dataclass(frozen=True)
class StageResult:
    """The result of a stage.

    Attributes:
        metrics: headline numbers, for the manifest and the table at the end.
        keep: names of the payload in the run folder (files, or folders with everything in them); everything else is
            deleted when the artifact is committed.
        inputs: inputs that are no artifacts, by name: `{"dataset": InputRecord(...)}`.
        extra: more for the manifest; must be JSON-able.
        seconds: time over all sessions of the run, from its checkpoint; None: the time that
            this session took.
        findings: signs that something went wrong, a sentence with a remedy each; kept with the artifact.
    """

    metrics: Mapping[str, float]
    keep: tuple[str, ...]
    inputs: Mapping[str, InputRecord] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    findings: tuple[str, ...] = ()
