"""What spirl would do with a dataset: which observations it takes, what it refuses, what to set."""

from __future__ import annotations

from collections.abc import Sequence

from spirl_cli.inspection.columns import Column
from spirl_cli.inspection.survey import Survey
from spirl_cli.recipe.sections.skills import TrainSkillsSection

GOAL_KEYS = ("observation", "desired_goal")  # of a GoalEnv; what it achieved can be seen in its observation
_ACHIEVED = "achieved_goal"
_HORIZON = int(TrainSkillsSection.model_fields["horizon"].default)


def usable(column: Column) -> bool:
    """Say whether skills can be learned from an observation: numbers, no images, at least one."""
    return column.numeric and not column.is_image and column.size > 0


def proposed_keys(survey: Survey) -> list[str | None]:
    """Return the keys of the observations to learn from: of a GoalEnv observation and goal, else all of numbers."""
    return without_achieved([key for key, column in survey.columns.items() if usable(column)])


def without_achieved(keys: Sequence[str | None]) -> list[str | None]:
    """Leave out what a GoalEnv achieved, where observation and goal are among the keys; they come first then."""
    tops = [None if key is None else key.partition("/")[0] for key in keys]
    if not {*GOAL_KEYS} <= {*tops}:
        return list(keys)
    first = [key for goal in GOAL_KEYS for key, top in zip(keys, tops, strict=True) if top == goal]
    return [*first, *(key for key, top in zip(keys, tops, strict=True) if top not in (*GOAL_KEYS, _ACHIEVED))]


def use_of(survey: Survey, column: Column) -> str:
    """Say what spirl would do with an observation."""
    if not column.numeric:
        return f"cannot be used: {column.dtype} is no number"
    if column.is_image:
        return "an image: to be named after the numbers, with image: {size: [rows, columns]}"
    if not column.size:
        return "cannot be used: it is empty"
    if column.key is None:
        return "selected by default"
    return "to be named" if column.key in proposed_keys(survey) else "can be named; left out by recipe new"


def advice(survey: Survey) -> list[str]:
    """Return sentences on what `spirl extract` would refuse or leave out as it stands, and what to set."""
    return [*survey.problems, *_on_episodes(survey), *_on_observations(survey), *_on_actions(survey)]


def _on_episodes(survey: Survey) -> list[str]:
    found = []
    if survey.unequal:
        found.append(
            f"{_episodes(survey.unequal)} have not one state more than actions and are refused; leave them out with "
            "extract.bad_episodes: skip"
        )
    if survey.not_finite:
        found.append(
            f"{_episodes(survey.not_finite)} hold NaN or infinity and are refused; set extract.bad_episodes to skip or "
            "trim"
        )
    short = sum(length < _HORIZON for length in survey.lengths)
    if short:
        found.append(
            f"{short} of {len(survey.lengths)} episodes have fewer than {_HORIZON} steps, the usual horizon, and would "
            "be left out; lower train_skills.horizon"
        )
    if survey.contents is not None and survey.contents.episodes < 2:
        found.append("there are fewer than two episodes: one is needed to train and one to validate")
    return found


def _on_observations(survey: Survey) -> list[str]:
    columns = list(survey.columns.values())
    if columns and not any(usable(column) for column in columns):
        return ["no observation can be used: skills are learned from vectors of numbers"]
    if columns and survey.columns.keys() != {None}:
        parts = ", ".join(f"{{key: {key}}}" for key in proposed_keys(survey))
        return [f"observations have keys, so none is selected by default; name them: env.observation: [{parts}]"]
    return []


def _on_actions(survey: Survey) -> list[str]:
    actions = survey.actions
    if actions is None:
        return []
    if actions.dtype.kind != "f":
        return [f"actions are {actions.dtype}, not continuous, and are refused; skills need floating-point numbers"]
    if survey.bounds is None and actions.rows:
        low, high = float(actions.low.min()), float(actions.high.max())
        return [
            f"the dataset does not say the bounds of its actions, which lie in [{low:.4g}, {high:.4g}]: give those of "
            "the environment with extract.action_bounds"
        ]
    if survey.beyond_steps:
        return [
            f"the actions of {survey.beyond_steps} of {actions.rows} steps lie beyond their bounds and are refused; "
            "set extract.out_of_bounds: clip where the environment clips them too"
        ]
    return []


def windows(survey: Survey) -> str:
    """Say whether windows of training could cross a reset."""
    within = "windows never cross the end of an episode"
    if not survey.jumps:
        return f"{within}; no state inside an episode jumps as if it had been reset"
    episode, step = survey.jumps[0]
    return (
        f"{within}, but {len(survey.jumps)} states inside of episodes jump as if they had been reset there, the first "
        f"after step {step} of episode {episode}: windows would cross it; mark the ends of episodes in the dataset"
    )


def _episodes(numbers: list[int]) -> str:
    return f"{len(numbers)} episode{'s' if len(numbers) > 1 else ''} (the first is {numbers[0]})"
