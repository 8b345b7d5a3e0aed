"""A recipe and artifacts for tests of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spirl_cli.store.artifact import Artifact
from spirl_cli.store.manifest import InputRecord
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.support.store_data import identity

TINY = """\
# A kitchen so small that a stage takes a second.
env: {kind: kitchen, tasks: [microwave], episode_length: 20}
extract: {dataset: test/kitchen-v0}
train_skills: {iterations: 20, validate_every: 10, batch_size: 8, best_of: 2, encoder_width: 8, decoder_width: 8}
train_prior: {iterations: 20, validate_every: 10, batch_size: 8, width: 8, depth: 1}
train_rl: {steps: 80, warmup_steps: 40, environments: 1, batch_size: 4, critic_width: 8, policy_width: 8}
evaluate: {episodes: 2, environments: 1, video_episodes: 0, bootstrap: 20}
"""


def make_artifact(root: Path, stage: str, inputs: dict[str, InputRecord] | None = None, **parameters: Any) -> Artifact:
    """Write an artifact of a recipe called `tiny` as a stage would."""
    with open_run(Store(root), "tiny", stage, identity(stage, parameters, inputs or {})) as run:
        (run.folder / "data.bin").write_bytes(b"payload")
        return run.commit(
            stage_version=1,
            parameters=parameters,
            inputs=inputs or {},
            seed=0,
            keep=["data.bin"],
            metrics={"loss": 0.5},
        )
