"""What `spirl evaluate` evaluates: a recipe's agent, a named one, the newest, or the reference one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from spirl_cli.cli.console import note
from spirl_cli.cli.requests import load, open_store, recipe_arguments, recipe_name
from spirl_cli.cli.trust import require_trust
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.payload import AGENT, EVALUATION, PRIOR

if TYPE_CHECKING:
    from spirl_cli.cli.options import StageOptions
    from spirl_cli.pipeline.plan import Request
    from spirl_cli.recipe.schema import Recipe
    from spirl_cli.stages.context import EvaluateOptions
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.store import Store


def evaluation_request(
    options: StageOptions,
    references: Mapping[str, str | None],
    *,
    prior_only: bool,
    chosen: EvaluateOptions,
    trusted: Sequence[str] = (),
) -> Request:
    """Build the request of an evaluation.

    Args:
        options: of the command.
        references: artifacts that were named, by stage.
        prior_only: evaluate a prior instead of an agent.
        chosen: options of the stage that are not in the recipe.
        trusted: modules that may be imported although only an artifact names them.

    Raises:
        ArtifactError: there is nothing to evaluate.
        UsageError: the recipe or an option is wrong, or an artifact asks for a module that is not trusted.
    """
    from spirl_cli.pipeline.graph import PRIOR_EVALUATION, stage
    from spirl_cli.pipeline.plan import Request

    store, wanted = open_store(options.artifacts), PRIOR if prior_only else AGENT
    given = {name: _resolve(text, name, store) for name, text in references.items() if text is not None}
    named = recipe_name(options) is not None
    if not named and wanted not in given:
        given[wanted] = _newest(wanted, store)
    recipe = load(options) if named else _recorded(given[wanted], options, trusted)
    request = Request(
        recipe,
        store,
        PRIOR_EVALUATION if prior_only else stage(EVALUATION),
        given=given,
        force=frozenset({EVALUATION}) if options.force else frozenset(),
        evaluate=chosen,
        named=recipe_arguments(options),
    )
    if wanted not in given:
        return _with_reference(request, wanted)
    _say_differences(given[wanted], recipe)
    return request


def _resolve(text: str, name: str, store: Store) -> Artifact:
    """Look up a reference in the store, then among the reference artifacts of a checkout."""
    from spirl_cli.store.store import look_up

    return look_up(store, lambda one: one.resolve(text, stage=name))


def _newest(wanted: str, store: Store) -> Artifact:
    """Return the newest artifact, or on a fresh clone the newest reference artifact."""
    from spirl_cli.store.store import look_up

    found = look_up(store, lambda one: one.newest(stage=wanted))
    if found is None:
        raise ArtifactError(
            f"There is no {wanted} to evaluate in {store.root} (those of a quick profile are not picked).",
            f"make one with 'spirl run RECIPE', or name one with --{wanted} REF",
        )
    note(f"evaluating {found.reference} ({found.path}), the newest {wanted}")
    return found


def _recorded(artifact: Artifact, options: StageOptions, trusted: Sequence[str]) -> Recipe:
    """Return the recipe that an artifact was made by, with the overrides of the command line.

    Raises:
        UsageError: an override is wrong, or the recipe names a module that is not trusted.
    """
    from spirl_cli.pipeline.changes import CHANGES
    from spirl_cli.recipe.load import load_recipe
    from spirl_cli.recipe.recorded import recorded_recipe

    if options.profile is not None or options.method is not None:
        option = "--profile" if options.profile is not None else "--method"
        raise UsageError(f"{option} needs a recipe.", "name the recipe as well")
    data = artifact.manifest.recorded("recipe")
    if isinstance(data, Mapping):
        changes = artifact.manifest.recorded(CHANGES)
        where = f"the recipe of {artifact.reference}"
        recipe = recorded_recipe(data, where, options.set_ or [], changes if isinstance(changes, Mapping) else None)
        require_trust(recipe.env, artifact.reference, trusted)
        return recipe
    return load_recipe(artifact.manifest.recipe, overrides=options.set_ or [])


def _with_reference(request: Request, wanted: str) -> Request:
    """Fall back to the reference artifact with the planned fingerprint, if only that one exists."""
    from dataclasses import replace

    from spirl_cli.pipeline.plan import plan
    from spirl_cli.store.store import look_up

    planned = next(one for one in plan(request) if one.spec.name == wanted)
    planned_fingerprint = planned.fingerprint
    if planned.artifact is not None or planned_fingerprint is None:
        return request
    found = look_up(request.store, lambda one: one.find(wanted, planned_fingerprint, request.recipe.id))
    return request if found is None else replace(request, given={**request.given, wanted: found})


def _say_differences(artifact: Artifact, recipe: Recipe) -> None:
    """Say where the environment is another one than the agent was trained in."""
    from spirl_cli.pipeline.graph import env_values
    from spirl_cli.store.diff import differences

    trained = artifact.manifest.parameters.get("env")
    if not isinstance(trained, Mapping):
        return
    for difference in differences({"env": trained}, {"env": env_values(recipe)}):
        note(f"note: {artifact.reference} was trained with another {difference}")
