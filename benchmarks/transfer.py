"""Transfer of skills from one set of demonstrations to another, and the differences of the two sets.

`python -m benchmarks.transfer --skills A B --clips X Y` reconstructs held-out windows of every set of
clips with every skill model, and describes the clips. References are as in `spirl show`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from spirl_cli.clips.reader import Clips
from spirl_cli.errors import ArtifactError, SpirlError
from spirl_cli.payload import CLIPS, CLIPS_FILE, MODEL_FILE, SKILLS
from spirl_cli.skills.model_files import load_skills
from spirl_cli.skills.models import SkillModel, rate
from spirl_cli.skills.reconstruction import reconstruct
from spirl_cli.skills.sampling import spread

if TYPE_CHECKING:
    from spirl_cli.store.artifact import Artifact

WINDOWS = 4096  # held-out windows of each set of clips
STATES = 1024  # held-out states with a search for nearest neighbours


def carry_over(model: SkillModel, clips: Clips) -> dict[str, float]:
    """Reconstruct held-out windows of clips with a skill model, trained on these or other clips.

    Returns:
        `error`: root of the mean squared error of an action; `explained`: explained share of the actions' variance, at
        best 1, and 0 for the mean action; `kl`: nats per latent dimension.

    Raises:
        ArtifactError: the sizes differ.
    """
    known, found = (model.perception.state_dim, model.section.horizon), (clips.observation_dim, clips.horizon)
    if known != found:
        raise ArtifactError(
            f"skills of {known[1]} steps in states of {known[0]} numbers cannot be tried on clips of {found[1]} steps "
            f"and {found[0]} numbers"
        )
    starts = spread(clips.starts("validation"), WINDOWS)
    done = reconstruct(model, clips, starts, torch.Generator().manual_seed(0))
    squared = float((done.actions - done.predicted).square().mean())
    variance = float(done.actions.var((0, 1)).mean())
    return {"error": squared**0.5, "explained": 1.0 - squared / variance, "kl": float(rate(done.posterior))}


def describe(clips: Clips) -> dict[str, float]:
    """Describe a set of clips.

    Returns:
        `episodes`; `steps` of all episodes; `median_length` of an episode; `action`: mean absolute value of an action's
        components; `change`: the same for the difference between successive actions; `still`: share of steps with all
        components below 0.05; `saturated`: share of steps with a component above 0.99.
    """
    rows = clips.starts("train")
    _, actions = clips.windows(spread(rows, WINDOWS))  # (B, H, A)
    largest = np.abs(actions).max(-1)
    return {
        "episodes": clips.episodes,
        "steps": clips.steps,
        "median_length": float(np.median(np.diff(clips.episode_offsets) - 1)),
        "action": float(np.abs(actions).mean()),
        "change": float(np.abs(np.diff(actions, axis=1)).mean()),
        "still": float((largest < 0.05).mean()),
        "saturated": float((largest > 0.99).mean()),
    }


def distance(clips: Clips, trained: Clips) -> float:
    """Return the median distance of held-out states of some clips from the states of training.

    The distance of a state is the root mean square difference from its nearest training state, in units of the training
    states' standard deviations.
    """
    mean, spread_ = trained.statistics()
    scale = np.where(spread_ > 0, spread_, 1.0)
    known = torch.from_numpy((trained.states(trained.starts("train")) - mean) / scale)
    asked = torch.from_numpy((clips.states(spread(clips.starts("validation"), STATES)) - mean) / scale)
    nearest = torch.cdist(asked, known).min(1).values / len(scale) ** 0.5
    return float(nearest.median())


def compare(skills: Sequence[Artifact], clips: Sequence[Artifact]) -> dict[str, list[dict[str, object]]]:
    """Describe all sets of clips and their distances, and try every skill model on every set."""
    opened = [(one, Clips.open(one.file(CLIPS_FILE))) for one in clips]
    described = [{CLIPS: one.reference, "dataset": _dataset(one), **describe(data)} for one, data in opened]
    tried: list[dict[str, object]] = []
    for one in skills:
        model = load_skills(one.file(MODEL_FILE))
        tried += [{SKILLS: one.reference, CLIPS: other.reference, **carry_over(model, data)} for other, data in opened]
    apart: list[dict[str, object]] = [
        {"trained": one.reference, CLIPS: other.reference, "distance": distance(data, known)}
        for one, known in opened
        for other, data in opened
    ]
    return {CLIPS: described, "distance": apart, "transfer": tried}


def _dataset(clips: Artifact) -> str:
    return clips.manifest.inputs["dataset"].reference


def main(arguments: Sequence[str] | None = None) -> int:
    """Reconstruct clips with skills from other clips; print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfer", description=main.__doc__)
    parser.add_argument("--skills", nargs="+", required=True, help="skill artifacts")
    parser.add_argument("--clips", nargs="+", required=True, help="clips to try them on")
    parser.add_argument("--artifacts", type=Path, help="where references are looked up")
    options = parser.parse_args(arguments)
    from spirl_cli.store.store import Store, default_root

    store = Store(options.artifacts or default_root())
    try:
        skills = [store.resolve(reference, stage=SKILLS) for reference in options.skills]
        result = compare(skills, [store.resolve(reference, stage=CLIPS) for reference in options.clips])
    except SpirlError as error:
        print(error.message, error.hint, sep="\n", file=sys.stderr)
        return error.exit_code
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
