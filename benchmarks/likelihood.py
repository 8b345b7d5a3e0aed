"""Log-likelihood of held-out demonstrations under priors, which compares prior families before any RL.

`python -m benchmarks.likelihood kitchen/prior@v14 … --results artifacts/reference/results.json`
prints mean and interval for each prior, and adds them to the published results.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.publishing import publish
from spirl_cli.clips.reader import Clips
from spirl_cli.domains.registry import domain_of, read_section
from spirl_cli.errors import SpirlError
from spirl_cli.evaluation.naming import training_data
from spirl_cli.evaluation.results import ResultRow
from spirl_cli.evaluation.statistics import estimate
from spirl_cli.payload import CLIPS, CLIPS_FILE, MODEL_FILE, PRIOR, SKILLS
from spirl_cli.skills.likelihood import held_out_log_likelihoods
from spirl_cli.skills.model_files import load_prior, load_skills
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store, default_root

METRIC = "log_likelihood"


def likelihood_row(store: Store, artifact: Artifact) -> ResultRow:
    """Return the row of a prior: the mean over held-out demonstrations, and an interval that resamples them.

    Raises:
        ArtifactError: the clips or the skills of its training do not exist any more.
    """
    manifest = artifact.manifest
    section, env = manifest.parameters["train_prior"], read_section(manifest.extra["recipe"]["env"])
    inputs = {role: store.resolve(record.reference) for role, record in manifest.inputs.items()}
    clips = Clips.open(inputs[CLIPS].file(CLIPS_FILE))
    skills = load_skills(inputs[SKILLS].file(MODEL_FILE)) if SKILLS in inputs else None
    values = held_out_log_likelihoods(load_prior(artifact.file(MODEL_FILE))[0], clips, skills)
    return ResultRow(
        env=domain_of(env).setting(env).env,
        method=f"prior-{section['family']}",
        metric=METRIC,
        **asdict(estimate([values], values="demonstrations")),
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
        rows = [likelihood_row(store, store.resolve(reference, stage=PRIOR)) for reference in options.priors]
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
