"""Plans which stages have to run for a request, and why; planning changes nothing.

A stage is up to date when a complete artifact with its planned fingerprint exists. The
fingerprint of a stage follows from the fingerprints of its inputs, which need not exist yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from spirl_cli.errors import ArtifactError
from spirl_cli.payload import AGENT, EVALUATION
from spirl_cli.pipeline.content import clips_of_content, earlier_parameters, is_path, recorded_dataset
from spirl_cli.pipeline.explain import explain
from spirl_cli.pipeline.graph import STAGES, for_recipe
from spirl_cli.pipeline.shorter import longest_beginning
from spirl_cli.stages.context import EvaluateOptions
from spirl_cli.store.fingerprint import fingerprint
from spirl_cli.store.leaves import differing, leaves

if TYPE_CHECKING:
    from spirl_cli.recipe.schema import Recipe
    from spirl_cli.stages.context import StageSpec
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.lineage import Ancestor
    from spirl_cli.store.manifest import InputRecord
    from spirl_cli.store.store import Store

Explain = Callable[["StageSpec", Mapping[str, Any], Mapping[str, "str | None"], "Store", str], tuple[str, ...]]
Status = Literal["given", "up to date", "resume", "run"]


@dataclass(frozen=True)
class Request:
    """A user's request.

    Attributes:
        recipe: the resolved recipe.
        store: store in which artifacts are looked up and written.
        last: name of the stage that makes the wanted artifact.
        given: input artifacts named by the user; they and the artifacts that they were made from replace the recipe's.
        force: names of stages that run although they are up to date.
        dataset: the dataset, if it was found that another one stands in for the recipe's.
        named: the user's words for recipe, profile and overrides, for hints.
        evaluate: options of an evaluation that are not in the recipe; part of its fingerprint.
        explain: says why a stage has to run. Whoever plans thousands of cells gives one that says nothing,
            since each explanation compares the stage with all artifacts of its recipe.
    """

    recipe: Recipe
    store: Store
    last: StageSpec
    given: Mapping[str, Artifact] = field(default_factory=dict)
    force: frozenset[str] = frozenset()
    evaluate: EvaluateOptions = field(default_factory=EvaluateOptions)
    named: str = ""
    dataset: InputRecord | None = None
    explain: Explain = explain


@dataclass(frozen=True)
class PlannedStage:
    """One stage of a plan.

    Attributes:
        spec: the stage.
        status: `given` by the user, `up to date`, `resume` (an unfinished run with a
            checkpoint) or `run`.
        fingerprint: fingerprint of the planned artifact; None until the dataset is downloaded.
        parameters: the values of the recipe behind the fingerprint.
        inputs: fingerprint of each input; None if it is not known yet.
        reasons: reasons why it has to run; empty otherwise.
        artifact: the finished artifact if there is nothing to do.
        records: inputs that are not artifacts (the dataset of `clips`).
        continue_from: a finished shorter run that this one can continue.
    """

    spec: StageSpec
    status: Status
    fingerprint: str | None
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str | None]
    reasons: tuple[str, ...] = ()
    artifact: Artifact | None = None
    records: Mapping[str, InputRecord] = field(default_factory=dict)
    continue_from: Artifact | None = None


def plan(request: Request) -> list[PlannedStage]:
    """Plan all stages that the wanted one depends on, in the order of execution.

    Raises:
        ArtifactError: given artifacts were not made from one another.
    """
    given = with_ancestors(request.given, request.store)
    planned: dict[str, PlannedStage] = {}
    for spec in _needed(request, given):
        if spec.name in given:
            planned[spec.name] = _given(spec, given[spec.name])
        else:
            planned[spec.name] = _plan_stage(spec, request, planned)
    _check_family(planned)
    return list(planned.values())


def with_ancestors(given: Mapping[str, Artifact], store: Store) -> dict[str, Artifact]:
    """Add the artifacts from which the given ones were made, as far as they are in the store.

    `train-rl --prior REF` must use the skills of that prior.
    """
    complete = dict(given)
    for artifact in given.values():
        _add_ancestors(complete, store.lineage(artifact))
    return complete


def _add_ancestors(known: dict[str, Artifact], ancestors: Sequence[Ancestor]) -> None:
    for ancestor in ancestors:
        if ancestor.artifact is not None:
            known.setdefault(ancestor.name, ancestor.artifact)
        _add_ancestors(known, ancestor.inputs)


def _needed(request: Request, given: Mapping[str, Artifact]) -> list[StageSpec]:
    """Return the stages between the given artifacts and the wanted one."""
    stages = {spec.name: for_recipe(spec, request.recipe) for spec in STAGES}
    last = for_recipe(request.last, request.recipe)
    needed = {last.name: last}
    for spec in reversed(stages.values()):
        reader = needed.get(spec.name)
        if reader is None or reader.name in given:
            continue
        for name in reader.inputs:
            needed[name] = stages[name]
    return [needed[name] for name in stages if name in needed]


def _given(spec: StageSpec, artifact: Artifact) -> PlannedStage:
    manifest = artifact.manifest
    inputs = {name: record.fingerprint for name, record in manifest.inputs.items()}
    return PlannedStage(spec, "given", manifest.fingerprint, manifest.parameters, inputs, artifact=artifact)


def _plan_stage(spec: StageSpec, request: Request, planned: Mapping[str, PlannedStage]) -> PlannedStage:
    parameters = spec.parameters(request.recipe)
    if spec.name == EVALUATION and (chosen := request.evaluate.identity()):
        parameters = {**parameters, "options": chosen}
    inputs: dict[str, str | None] = {name: planned[name].fingerprint for name in spec.inputs}
    records: dict[str, InputRecord] = {}
    if spec.reads_dataset:
        records = _dataset(spec, request, parameters)
        inputs["dataset"] = records["dataset"].fingerprint if records else None
    return _status(spec, request, parameters, inputs, records)


def _status(
    spec: StageSpec,
    request: Request,
    parameters: dict[str, Any],
    inputs: dict[str, str | None],
    records: dict[str, InputRecord],
) -> PlannedStage:
    known = {name: value for name, value in inputs.items() if value is not None}
    if len(known) < len(inputs):
        reasons = request.explain(spec, parameters, inputs, request.store, request.recipe.id)
        return PlannedStage(spec, "run", None, parameters, inputs, reasons, records=records)
    wanted = fingerprint(spec.name, spec.version, parameters, known)
    existing = request.store.find(spec.name, wanted, request.recipe.id)
    if existing is None and spec.reads_dataset and is_path(request.recipe.extract.dataset):
        existing = clips_of_content(spec, request.store, parameters, known)
        earlier = None if existing is not None else earlier_parameters(spec, request.store, parameters, known)
        if earlier is not None:
            parameters, wanted = earlier, fingerprint(spec.name, spec.version, earlier, known)
    if existing is not None and spec.name not in request.force:
        found = existing.fingerprint
        return PlannedStage(spec, "up to date", found, parameters, inputs, artifact=existing, records=records)
    if existing is not None:
        reasons = ("forced",)
    else:
        reasons = request.explain(spec, parameters, inputs, request.store, request.recipe.id)
    reasons = (*_damaged(spec, request, wanted), *reasons)
    shorter = longest_beginning(spec, request.store, parameters, known) if spec.name == AGENT else None
    run = request.store.run(request.recipe.id, spec.name, wanted)
    status: Status = "resume" if run is not None and run.has_checkpoint else "run"
    return PlannedStage(spec, status, wanted, parameters, inputs, reasons, records=records, continue_from=shorter)


def _damaged(spec: StageSpec, request: Request, wanted: str) -> list[str]:
    """Say which artifacts with the wanted fingerprint cannot be used."""
    entries = request.store.look(request.recipe.id, spec.name, wanted).broken
    return [f"damaged: {entry.problem}" for entry in entries if entry.path.name.endswith(f"-{wanted}")]


def _dataset(spec: StageSpec, request: Request, parameters: Mapping[str, Any]) -> dict[str, InputRecord]:
    """Identify the dataset; if it is not on this computer, use the record in clips of equal parameters."""
    known = request.dataset or import_module(spec.module).identify(request.recipe)
    if known is not None:
        return {"dataset": known}
    dataset = request.recipe.extract.dataset
    if dataset is not None and is_path(dataset):
        recorded = recorded_dataset(request.store, spec, parameters, dataset)
        return {} if recorded is None else {"dataset": recorded}
    wanted = set(leaves(parameters))
    for artifact in reversed(request.store.artifacts(stage=spec.name)):
        if "dataset" in artifact.head.inputs and not differing(wanted, artifact.head.leaves):
            return {"dataset": artifact.manifest.inputs["dataset"]}
    return {}


def _check_family(planned: Mapping[str, PlannedStage]) -> None:
    """Refuse given inputs that were made from inputs outside this plan."""
    for stage in planned.values():
        if stage.artifact is None or stage.status != "given":
            continue
        for name, used in stage.inputs.items():
            other = planned.get(name)
            if other is not None and other.fingerprint is not None and other.fingerprint != used:
                raise ArtifactError(
                    f"{stage.artifact.reference} was made from {name} {used}, but this plan uses {name} "
                    f"{other.fingerprint}{_named(other)}.",
                    f"give the {name} that belong to it with --{name}, or leave --{stage.spec.name} out",
                )


def _named(stage: PlannedStage) -> str:
    return f" ({stage.artifact.reference})" if stage.artifact is not None else ""


def pending(planned: Sequence[PlannedStage]) -> list[PlannedStage]:
    """Return the stages of a plan that have to run."""
    return [stage for stage in planned if stage.artifact is None]
