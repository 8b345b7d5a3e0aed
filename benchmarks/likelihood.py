"""How likely priors find the skills of held-out demonstrations: what compares their families before any RL.

``python -m benchmarks.likelihood kitchen/prior@v14 … --results artifacts/reference/results.json``
prints mean and interval for each, and adds them to the published results.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from spirl_cli.clips.reader import CLIPS_FILE, Clips
from spirl_cli.errors import SpirlError
from spirl_cli.evaluation.aggregate import publish
from spirl_cli.evaluation.naming import training_data
from spirl_cli.evaluation.results import ResultRow
from spirl_cli.evaluation.statistics import bootstrap_mean
from spirl_cli.skills.model_files import MODEL, load_prior, load_skills
from spirl_cli.skills.models import SkillModel
from spirl_cli.skills.prior import PriorNetwork
from spirl_cli.skills.prior_training import SkillTargets
from spirl_cli.skills.sampling import add_images
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store, default_root

METRIC = "log_likelihood"
CHUNK = 2048  # windows at once


@torch.no_grad()
def held_out_log_likelihoods(prior: PriorNetwork, clips: Clips, skills: SkillModel | None) -> NDArray[np.float64]:
    """log p(z | s_1) in nats of a skill z ~ q(z | clip), the mean over all windows of each held-out demonstration.

    Args:
        prior: what is judged.
        clips: whose validation split is read.
        skills: the encoder q; None where skills are primitive actions.

    Returns:
        (E,), one number per demonstration.
    """
    generator = torch.Generator().manual_seed(0)
    starts = clips.starts("validation")
    targets = SkillTargets(clips, starts, skills, drawn=0)
    values = []
    for chunk in np.array_split(starts, -(-len(starts) // CHUNK)):
        states, posterior = targets.at(chunk)
        observations = states if prior.perception.image is None else add_images(states, clips, chunk)
        values.append(prior(observations).log_prob(posterior.sample(generator)).double().numpy())
    episodes, whose, windows = np.unique(clips.episode_of(starts), return_inverse=True, return_counts=True)
    means: NDArray[np.float64] = np.bincount(whose, np.concatenate(values), len(episodes)) / windows
    return means


def likelihood_row(store: Store, artifact: Artifact) -> ResultRow:
    """Return the row of a prior: its mean over held-out demonstrations, with an interval that resamples these.

    Raises:
        ArtifactError: the clips or the skills that it was trained on are not there any more.
    """
    manifest = artifact.manifest
    section, env = manifest.parameters["train_prior"], manifest.extra["recipe"]["env"]
    inputs = {role: store.resolve(record.reference) for role, record in manifest.inputs.items()}
    clips = Clips.open(inputs["clips"].file(CLIPS_FILE))
    skills = load_skills(inputs["skills"].file(MODEL)) if "skills" in inputs else None
    values = held_out_log_likelihoods(load_prior(artifact.file(MODEL))[0], clips, skills)
    return ResultRow(
        env=env["kind"] if env["kind"] != "gymnasium" else env["id"],
        method=f"prior-{section['family']}",
        metric=METRIC,
        **asdict(bootstrap_mean([values])),
        seeds=1,
        episodes=len(values),
        policy="sampled",
        env_steps=0,
        order=None,
        noise=None,
        reward=None,
        layout=None,
        data=training_data(artifact),
        commit=manifest.commit,
        command=shlex.join(manifest.command),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the held-out log-likelihood of priors, in nats per skill; add it to published results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.likelihood", description=main.__doc__)
    parser.add_argument("priors", nargs="+", help="prior artifacts, such as kitchen/prior@v2")
    parser.add_argument("--artifacts", type=Path, help="where they are (default: as for spirl)")
    parser.add_argument("--results", type=Path, help="list of published rows to add to")
    options = parser.parse_args(arguments)
    store = Store(default_root(options.artifacts))
    try:
        rows = [likelihood_row(store, store.resolve(reference, stage="prior")) for reference in options.priors]
        if options.results:
            publish(options.results, rows)
    except SpirlError as error:
        print(error.message, error.hint, sep="\n", file=sys.stderr)
        return error.exit_code
    for reference, row in zip(options.priors, rows, strict=True):
        print(
            f"{reference} {row.method} {row.mean:.3f} [{row.low:.3f}, {row.high:.3f}] ({row.episodes} demonstrations)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
