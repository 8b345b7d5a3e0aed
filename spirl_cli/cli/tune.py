"""The command that searches for good values of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spirl_cli.cli.console import emit, emit_json, note
from spirl_cli.cli.options import ArtifactsOption, Device, JsonOption, MethodOption, ProfileOption, SetOption, takes
from spirl_cli.cli.requests import open_store
from spirl_cli.cli.sweep import DEFAULT_ROOT, common_arguments
from spirl_cli.errors import SpirlError, UsageError

if TYPE_CHECKING:
    from spirl_cli.store.store import Store
    from spirl_cli.sweep.tune import Tuning


@dataclass(frozen=True)
class TuneOptions:
    """What `spirl tune` takes."""

    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Name or path of a recipe.")]
    search: Annotated[
        list[str] | None,
        typer.Option("--search", metavar="KEY=VALUES", help="1..20, 1e-4..1e-2:log or A,B (repeatable)."),
    ] = None
    trials: Annotated[int, typer.Option("--trials", min=1, help="Trials in all, those made before included.")] = 20
    metric: Annotated[
        str | None, typer.Option("--metric", help="Such as success/mean; default: the evaluation's first.")
    ] = None
    minimize: Annotated[bool, typer.Option("--minimize", help="Less is better.")] = False
    name: Annotated[str | None, typer.Option("--name", help="Name of the study; default: RECIPE-tune.")] = None
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the pipeline and the search.")] = None
    profile: ProfileOption = None
    method: MethodOption = None
    set_: SetOption = None
    device: Annotated[Device, typer.Option("--device", help="Where networks are trained.")] = Device.auto
    artifacts: ArtifactsOption = DEFAULT_ROOT
    json: JsonOption = False


@takes(TuneOptions)
def tune(options: TuneOptions) -> None:
    """Search for good values of a recipe with Optuna; trials are ordinary runs.

    Type the same command in several terminals or machines to share the work. It goes on after a
    stop; more --trials go on too. Prints the path of the best trial's evaluation.
    """
    try:
        from spirl_cli.sweep.tune import ARTIFACT, overrides_of
    except ImportError as error:
        raise UsageError(f"Optuna is not installed ({error}).", "pip install 'spirl[tune]'") from None
    store = open_store(options.artifacts)
    study = _tuning(options, store).run(options.trials)
    try:
        best = study.best_trial
    except ValueError:
        hint = "the messages above name the logs; more --trials try further values"
        raise SpirlError("No trial has succeeded.", hint) from None
    artifact = store.resolve(best.user_attrs[ARTIFACT])
    note(f"best: trial {best.number} with {best.value:.4g}: {' '.join(overrides_of(best.params))}")
    if options.json:
        emit_json({"path": str(artifact.path), **_described(best), "trials": [_described(one) for one in study.trials]})
    else:
        emit(str(artifact.path))


def _tuning(options: TuneOptions, store: Store) -> Tuning:
    from spirl_cli.recipe.folder import find_recipe, recipe_id
    from spirl_cli.sweep.cells import Cell
    from spirl_cli.sweep.record import sweep_folder
    from spirl_cli.sweep.tune import Tuning, read_search

    if not options.search:
        raise UsageError(
            "What is to be searched? --search is missing.", "--search train_rl.target_divergence=1..20:log"
        )
    name = options.name or f"{recipe_id(find_recipe(options.recipe))}-tune"
    return Tuning(
        Cell(name, options.recipe, options.profile, options.method, tuple(options.set_ or ()), options.seed),
        dict(map(read_search, options.search)),
        store,
        sweep_folder(store.root, name),
        options.metric,
        "minimize" if options.minimize else "maximize",
        common_arguments(options.device, options.artifacts),
        note,
    )


def _described(trial: Any) -> dict[str, Any]:
    return {"trial": trial.number, "state": trial.state.name.lower(), "value": trial.value, "parameters": trial.params}
