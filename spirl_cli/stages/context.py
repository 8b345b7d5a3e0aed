"""What the pipeline hands to a stage, and what the stage hands back.

Only plain data, so that importing this module is fast. Every stage module has one entry::

    def execute(context: StageContext) -> StageResult: ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spirl_cli.monitor.reporter import Reporter
    from spirl_cli.recipe.schema import Recipe
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.manifest import InputRecord


@dataclass(frozen=True)
class StageSpec:
    """One stage of the pipeline, as the graph in `spirl_cli.pipeline` lists it.

    Attributes:
        name: name of the stage and of its artifacts: ``clips``, ``skills``, ``prior``, ``agent``
            or ``evaluation``.
        command: what a user types: ``extract``, ``train-skills``, ...
        section: the stage's section of a recipe: ``extract``, ``train_skills``, ...
        version: raised when the same parameters would give another result; part of the
            fingerprint.
        inputs: names of the stages whose artifacts it reads.
        parameters: picks, from a resolved recipe, the values that affect the result.
        module: the module whose ``execute`` does the work; imported only then.
        continuation: patterns of the files of its artifacts that only further training needs.
        reads_dataset: whether a dataset is an input too; the module then also has ``identify(recipe)``, which names
            the dataset if it is on this machine, and ``obtain(recipe, reporter)``, which fetches it.
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
    """What `extract` takes besides the recipe.

    Attributes:
        dataset: the dataset in the fingerprint: the recipe's, or what stands in for it; None: the recipe's.
    """

    dataset: InputRecord | None = None


@dataclass(frozen=True)
class TrainRLOptions:
    """What `train-rl` takes besides the recipe.

    Attributes:
        continue_from: a finished run with fewer steps that is to be continued.
    """

    continue_from: Artifact | None = None


@dataclass(frozen=True)
class EvaluateOptions:
    """What `evaluate` takes besides the recipe; it decides the result, so it is part of the fingerprint.

    Attributes:
        step: evaluate the weights that were kept at this step only.
        save_dataset: id of a Minari dataset to write the episodes of the first policy to.
    """

    step: int | None = None
    save_dataset: str | None = None

    def identity(self) -> dict[str, int | str]:
        """Return the options that were chosen, by name."""
        chosen = {"step": self.step, "save_dataset": self.save_dataset}
        return {name: value for name, value in chosen.items() if value is not None}


@dataclass(frozen=True)
class Options:
    """The options of each stage, under the name of its section."""

    extract: ExtractOptions = ExtractOptions()
    train_rl: TrainRLOptions = TrainRLOptions()
    evaluate: EvaluateOptions = EvaluateOptions()


@dataclass(frozen=True)
class StageContext:
    """Everything that a stage may look at.

    Attributes:
        recipe: the resolved recipe (section seeds are numbers, never None).
        spec: the stage itself.
        parameters: the values that make up the fingerprint, as they go into the manifest.
        inputs: the input artifacts by stage name, for example ``{"clips": ...}``.
        folder: folder of this run. Checkpoints and payload are written here; it outlives an
            interruption, and what `StageResult.keep` lists becomes the artifact.
        reporter: the only way to talk to the user.
        device: ``auto``, ``cpu`` or ``cuda``.
        resume: continue from a checkpoint in `folder`, if there is one.
        options: what stages take besides the recipe.
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
    """What a stage made.

    Attributes:
        metrics: headline numbers for the manifest and the table at the end.
        keep: names in the run folder (files, or folders with all in them) that are the payload;
            everything else in the folder is dropped when the artifact is committed.
        inputs: inputs that are no artifacts, by name: ``{"dataset": InputRecord(...)}``.
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
