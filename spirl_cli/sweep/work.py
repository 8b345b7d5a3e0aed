"""How much a stage has to do, by which the time of one run tells that of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spirl_cli.payload import AGENT, EVALUATION, PRIOR, SKILLS


def work_of(stage: str, parameters: Mapping[str, Any]) -> float:
    """Return how much a stage has to do: iterations, environment steps or episodes; clips count as one."""
    if stage in (SKILLS, PRIOR):
        return float(parameters[f"train_{stage}"]["iterations"])
    if stage == AGENT:
        return float(parameters["train_rl"]["steps"])
    if stage == EVALUATION:
        section = parameters["evaluate"]
        return float(section["episodes"] * len(section["policies"]))
    return 1.0
