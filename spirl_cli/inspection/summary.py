"""A survey as plain values, for JSON and for tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from spirl_cli.inspection.columns import Column
from spirl_cli.inspection.survey import Survey
from spirl_cli.inspection.verdict import advice, proposed_keys, use_of, windows


def summary(survey: Survey) -> dict[str, Any]:
    """Return what was found as one JSON object; what is infinite or unknown is null."""
    contents, failure = survey.contents, survey.failure
    return {
        "dataset": survey.name,
        "format": survey.format,
        "files": survey.files,
        "bytes": survey.bytes,
        "recorded_in": None if survey.recorded is None else survey.recorded.id,
        "episodes": None if contents is None else contents.episodes,
        "steps": None if contents is None else contents.steps,
        "episodes_read": len(survey.lengths),
        "lengths": _lengths(survey.lengths),
        "observations": [_observation(survey, column) for column in survey.columns.values()],
        "proposed": proposed_keys(survey),
        "actions": _actions(survey),
        "outcomes": [_outcome(column) for column in survey.outcomes.values()],
        "windows": {"jumps": [list(place) for place in survey.jumps], "sentence": windows(survey)},
        "notes": survey.notes,
        "advice": advice(survey),
        "error": None if failure is None else {"message": failure.message, "hint": failure.hint},
    }


def _lengths(lengths: list[int]) -> dict[str, float] | None:
    if not lengths:
        return None
    return {"min": min(lengths), "median": float(np.median(lengths)), "max": max(lengths)}


def _statistics(column: Column) -> dict[str, Any]:
    return {
        "dtype": str(column.dtype),
        "shape": list(column.shape),
        "low": _least(column.low),
        "high": _most(column.high),
        "constants": column.constants,
        "nan": column.nan,
        "infinite": column.infinite,
    }


def _observation(survey: Survey, column: Column) -> dict[str, Any]:
    use = use_of(survey, column)
    return {"key": column.key, **_statistics(column), "image": column.is_image, "use": use}


def _actions(survey: Survey) -> dict[str, Any] | None:
    column = survey.actions
    if column is None:
        return None
    bounds = survey.bounds
    return {
        **_statistics(column),
        "ranges": [[_finite(low), _finite(high)] for low, high in zip(column.low, column.high, strict=True)],
        "bounds": None if bounds is None else [bounds.low.tolist(), bounds.high.tolist()],
        "beyond": survey.beyond.tolist(),
        "share_beyond": survey.beyond_steps / column.rows if column.rows and bounds is not None else None,
    }


def _outcome(column: Column) -> dict[str, Any]:
    mean = float(column.mean[0])
    return {"name": column.key, "low": _least(column.low), "high": _most(column.high), "mean": _finite(mean)}


def _least(values: np.ndarray) -> float | None:
    return _finite(values.min()) if values.size else None


def _most(values: np.ndarray) -> float | None:
    return _finite(values.max()) if values.size else None


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
