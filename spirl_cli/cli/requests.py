"""From options to a request, and from a request to what a command prints."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spirl_cli.cli.console import emit, emit_json, folder_is_gone, metrics_line, note
from spirl_cli.cli.trust import remember_modules
from spirl_cli.errors import UsageError
from spirl_cli.files import expanded, working_folder_is_gone
from spirl_cli.monitor.streams import foreign_output_on_stderr

if TYPE_CHECKING:
    from spirl_cli.cli.options import StageOptions
    from spirl_cli.pipeline.execute import ExecutionSettings, Outcome
    from spirl_cli.pipeline.plan import PlannedStage, Request
    from spirl_cli.recipe.schema import Recipe
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.store import Store


def recipe_name(options: StageOptions) -> str | None:
    """Return the recipe that was named, as an argument or with `--recipe`.

    Raises:
        UsageError: it was named both ways.
    """
    if options.recipe is not None and options.recipe_option is not None:
        raise UsageError("The recipe is given twice, as an argument and with --recipe.", "leave one of them out")
    return options.recipe if options.recipe is not None else options.recipe_option


def recipe_arguments(options: StageOptions) -> str:
    """Return the options that say which artifacts are meant, as they were typed, for hints."""
    from spirl_cli.store.store import default_root

    name = recipe_name(options)
    given = [
        *([name] if name is not None else []),
        *(["--profile", options.profile] if options.profile else []),
        *(["--method", options.method] if options.method else []),
        *(word for override in options.set_ or [] for word in ("--set", override)),
        *(["--artifacts", str(options.artifacts)] if options.artifacts != default_root() else []),
    ]
    return shlex.join(given)


def load(options: StageOptions, seed: int | None = None) -> Recipe:
    """Load the recipe that a command needs.

    Raises:
        UsageError: none was named, or it is wrong.
    """
    name = recipe_name(options)
    if name is None:
        from spirl_cli.recipe.library import list_recipes

        known = ", ".join(recipe.name for recipe in list_recipes())
        raise UsageError("Which recipe? None was named.", f"name one of {known}, or the path of a YAML file")
    from spirl_cli.recipe.load import load_recipe

    recipe = load_recipe(name, profile=options.profile, overrides=options.set_ or [], seed=seed, method=options.method)
    if not options.dry_run:
        remember_modules(recipe.env)
    return recipe


def open_store(root: Path) -> Store:
    """Return the store in a folder, which need not exist.

    Raises:
        UsageError: the working folder was deleted.
    """
    from spirl_cli.store.store import Store

    if working_folder_is_gone():
        raise folder_is_gone()
    return Store(expanded(root))


def resolve(references: Mapping[str, str | None], store: Store) -> dict[str, Artifact]:
    """Look up the artifacts that options such as `--skills REF` name; absent ones are left out."""
    return {name: store.resolve(text, stage=name) for name, text in references.items() if text is not None}


def execute_one(request: Request, options: StageOptions) -> None:
    """Run the last stage of a request, or say what would be done, and print the result."""
    from spirl_cli.pipeline.execute import inputs_of, run_stage
    from spirl_cli.pipeline.plan import plan

    if options.dry_run:
        planned = plan(request)
        _print_plan(planned, options)
        if planned[-1].artifact is None:
            inputs_of(planned[-1], planned, request)
        return
    with foreign_output_on_stderr():
        outcome = run_stage(request, _execution_settings(options))
    if options.json:
        emit_json(describe(outcome))
    else:
        emit(str(outcome.artifact.path))


def execute_all(request: Request, options: StageOptions) -> None:
    """Run all stages of a request, or say what would be done, and print the last artifact."""
    from spirl_cli.pipeline.execute import run_pipeline
    from spirl_cli.pipeline.plan import plan

    if options.dry_run:
        _print_plan(plan(request), options)
        return
    with foreign_output_on_stderr():
        outcomes = run_pipeline(request, _execution_settings(options))
    if not any(outcome.made for outcome in outcomes):
        note("everything is up to date")
    if options.json:
        emit_json({**describe(outcomes[-1]), "stages": [describe(outcome) for outcome in outcomes]})
    else:
        emit(str(outcomes[-1].artifact.path))


def describe(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as `--json` shows it."""
    manifest = outcome.artifact.manifest
    return {
        "artifact": manifest.reference,
        "path": str(outcome.artifact.path),
        "recipe": manifest.recipe,
        "stage": manifest.stage,
        "fingerprint": manifest.fingerprint,
        "status": "done" if outcome.made else _standing(outcome),
        "seconds": manifest.seconds,
        "metrics": manifest.metrics,
        "findings": manifest.extra.get("findings", []),
    }


def report(outcome: Outcome) -> None:
    """Say on stderr what became of a stage, and whether packages have changed since."""
    from spirl_cli.store.provenance import package_drift

    artifact = outcome.artifact
    if outcome.made:
        note(f"{artifact.reference}: {metrics_line(artifact.manifest.metrics)}")
        return
    note(f"{artifact.reference} is {_standing(outcome)}")
    drift = package_drift(artifact.manifest.packages)
    if drift:
        note(f"note: {artifact.reference} was made with other versions, which reruns nothing: {_joined(drift)}")


def _standing(outcome: Outcome) -> str:
    return "given" if outcome.stage.status == "given" else "up to date"


def _joined(parts: Sequence[object]) -> str:
    return ", ".join(str(part) for part in parts)


def _execution_settings(options: StageOptions) -> ExecutionSettings:
    from spirl_cli.monitor.reporter import RichReporter
    from spirl_cli.pipeline.execute import ExecutionSettings
    from spirl_cli.tracking.registry import tracker_names

    return ExecutionSettings(
        RichReporter(),
        device=options.device.value,
        resume=options.resume,
        on_outcome=report,
        track=tracker_names(options.track),
    )


def _print_plan(planned: Sequence[PlannedStage], options: StageOptions) -> None:
    """Print a plan: it is the result of `--dry-run`."""
    if options.json:
        emit_json({"plan": [_describe_plan(stage) for stage in planned]})
        return
    for stage in planned:
        artifact = [stage.artifact.reference] if stage.artifact is not None else []
        earlier = [f"continues {stage.continue_from.reference}"] if stage.continue_from is not None else []
        emit(f"{stage.spec.name:<10}  {stage.status:<10}  {'; '.join([*artifact, *stage.reasons, *earlier])}")


def _describe_plan(stage: PlannedStage) -> dict[str, Any]:
    return {
        "stage": stage.spec.name,
        "status": stage.status,
        "reasons": list(stage.reasons),
        "fingerprint": stage.fingerprint,
        "artifact": stage.artifact.reference if stage.artifact is not None else None,
        "path": str(stage.artifact.path) if stage.artifact is not None else None,
        "continues": stage.continue_from.reference if stage.continue_from is not None else None,
    }
