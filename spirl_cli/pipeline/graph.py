"""The five stages: the inputs of each stage, and the values of a recipe that decide its result.

The keys of parameters are their places in the recipe (`{"train_skills": {"horizon": 10}}`), so that messages can name
a difference as a user would write it after `--set`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spirl_cli.payload import AGENT, CLIPS, CONTINUED_FROM, EVALUATION, PRIOR, SKILLS
from spirl_cli.pipeline.content import is_path, without_path
from spirl_cli.stages.context import StageSpec

if TYPE_CHECKING:
    from pydantic import BaseModel

    from spirl_cli.recipe.schema import Recipe


def _values(section: BaseModel, *without: str) -> dict[str, Any]:
    return section.model_dump(mode="json", exclude=set(without))


def env_values(recipe: Recipe) -> dict[str, Any]:
    """Return the values of the environment that decide a result."""
    return _values(recipe.env, "step_seconds")


def _clips(recipe: Recipe) -> dict[str, Any]:
    # the horizon decides which episodes are long enough, and the possible starts of windows
    parameters = {"extract": _values(recipe.extract), "train_skills": {"horizon": recipe.train_skills.horizon}}
    if is_path(recipe.extract.dataset):
        parameters = without_path(parameters)
    shown = recipe.env.clip_values()
    return {**parameters, "env": shown} if shown else parameters


def _skills(recipe: Recipe) -> dict[str, Any]:
    return {"train_skills": _values(recipe.train_skills, "checkpoint_seconds")}


def _prior(recipe: Recipe) -> dict[str, Any]:
    return {"train_prior": _values(recipe.train_prior, "checkpoint_seconds")}


def _agent(recipe: Recipe) -> dict[str, Any]:
    return {"env": env_values(recipe), "train_rl": _values(recipe.train_rl, "checkpoint_seconds", "log_every")}


def _evaluation(recipe: Recipe) -> dict[str, Any]:
    # episodes do not depend on the number of environments that run side by side
    return {"env": env_values(recipe), "evaluate": _values(recipe.evaluate, "environments")}


def _prior_evaluation(recipe: Recipe) -> dict[str, Any]:
    # an agent's manifest says whether its actions are squashed; a prior's does not
    tanh_actions = recipe.train_rl.parity.tanh_actions
    return {**_evaluation(recipe), "train_rl": {"parity": {"tanh_actions": tanh_actions}}}


STAGES: tuple[StageSpec, ...] = (
    StageSpec(CLIPS, "extract", "extract", 1, (), _clips, "spirl_cli.stages.extract", reads_dataset=True),
    StageSpec(SKILLS, "train-skills", "train_skills", 1, (CLIPS,), _skills, "spirl_cli.stages.train_skills"),
    StageSpec(PRIOR, "train-prior", "train_prior", 1, (CLIPS, SKILLS), _prior, "spirl_cli.stages.train_prior"),
    StageSpec(
        AGENT,
        "train-rl",
        "train_rl",
        1,
        (SKILLS, PRIOR),
        _agent,
        "spirl_cli.stages.train_rl",
        continuation=CONTINUED_FROM,
    ),
    StageSpec(EVALUATION, "evaluate", "evaluate", 1, (AGENT,), _evaluation, "spirl_cli.stages.evaluate"),
)

# Prior rollouts need no agent: the prior itself is the policy.
PRIOR_EVALUATION = replace(STAGES[-1], inputs=(SKILLS, PRIOR), parameters=_prior_evaluation)


def stage(name: str) -> StageSpec:
    """Return the stage with this name.

    Raises:
        KeyError: no stage has this name.
    """
    return {spec.name: spec for spec in STAGES}[name]


def for_recipe(spec: StageSpec, recipe: Recipe) -> StageSpec:
    """Return the stage as a recipe uses it: an agent needs a prior only to start from it or to stay near it.

    An agent without a prior needs the standardisation of states from the skills, or from the clips for primitive
    actions.
    """
    section = recipe.train_rl
    if spec.name != AGENT or "prior" in (section.regularizer, section.initial_policy):
        return spec
    return replace(spec, inputs=(CLIPS, SKILLS) if recipe.train_skills.model == "primitive" else (SKILLS,))
