"""Several datasets side by side: whether they can be learned from together, and what they hold in all."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np

from spirl_cli.demos.dataset import Contents
from spirl_cli.errors import DatasetError
from spirl_cli.inspection.columns import Column
from spirl_cli.inspection.survey import Survey
from spirl_cli.inspection.verdict import usable


def differences(surveys: Sequence[Survey]) -> list[str]:
    """Return sentences on what keeps datasets from being learned from together; each is compared with the first."""
    first = surveys[0]
    found = []
    for other in surveys[1:]:
        here, there = _sizes(first), _sizes(other)
        if here != there:
            found.append(f"{first.name} has the observations {_show(here)}; {other.name} has {_show(there)}")
        sizes = [0 if one.actions is None else one.actions.size for one in (first, other)]
        if sizes[0] != sizes[1]:
            found.append(f"{first.name} has actions of {sizes[0]} numbers, those of {other.name} have {sizes[1]}")
    return found


def joined(surveys: Sequence[Survey]) -> Survey:
    """Return the survey of several datasets together.

    Raises:
        DatasetError: one cannot be read, or they cannot be learned from together.
    """
    if len(surveys) == 1:
        return surveys[0]
    for failure in (survey.failure for survey in surveys):
        if failure is not None:
            raise failure
    differing = differences(surveys)
    if differing:
        raise DatasetError(differing[0], "datasets are learned from together only if they hold the same")
    whole = deepcopy(surveys[0])
    whole.parts = tuple(survey.name for survey in surveys)
    whole.name = " + ".join(whole.parts)
    whole.format = ", ".join(dict.fromkeys(survey.format for survey in surveys))
    for other in surveys[1:]:
        _add(whole, other)
    return whole


def _add(whole: Survey, other: Survey) -> None:
    """Add what was found in another dataset."""
    whole.files, whole.bytes = whole.files + other.files, whole.bytes + other.bytes
    if whole.contents is not None and other.contents is not None:
        steps, more = whole.contents, other.contents
        whole.contents = Contents(steps.episodes + more.episodes, steps.steps + more.steps)
    if not _same_bounds(whole, other):
        whole.bounds = None  # then the environment's count
    whole.beyond = whole.beyond + other.beyond
    whole.beyond_steps += other.beyond_steps
    for name in ("lengths", "unequal", "not_finite", "jumps", "drawn", "notes"):
        getattr(whole, name).extend(getattr(other, name))
    whole.problems.update(other.problems)
    pairs: list[tuple[Column, Column | None]]
    pairs = [(column, other.columns.get(key)) for key, column in whole.columns.items()]
    pairs += [] if whole.actions is None else [(whole.actions, other.actions)]
    pairs += [(column, other.outcomes.get(name)) for name, column in whole.outcomes.items()]
    for column, more_rows in pairs:
        if more_rows is not None:
            column.include(more_rows)


def _same_bounds(whole: Survey, other: Survey) -> bool:
    one, two = whole.bounds, other.bounds
    if one is None or two is None:
        return one is two
    return bool(np.array_equal([one.low, one.high], [two.low, two.high]))


def _sizes(survey: Survey) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the observations that could be learned from, images too, by key."""
    columns = survey.columns.values()
    return {column.key or "(plain array)": column.shape for column in columns if usable(column) or column.is_image}


def _show(sizes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{key} {'×'.join(map(str, shape)) or '1'}" for key, shape in sizes.items()) or "none"
