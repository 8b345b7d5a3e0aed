"""Made-up agents: exported networks with random weights, as artifacts of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from spirl_cli.inference.network_file import DecoderHeader, GaussianHeader, SquashKind, write_network
from spirl_cli.monitor.reporter import SilentReporter
from spirl_cli.pipeline.graph import PRIOR_EVALUATION, stage
from spirl_cli.recipe.schema import Recipe
from spirl_cli.stages.context import EvaluateOptions, Options, StageContext
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.manifest import InputRecord
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run

HORIZON = 4
LATENT_DIM = 2
DATASET = "test/pendulum-v0"


def pendulum_recipe(**sections: Mapping[str, Any]) -> Recipe:
    """A recipe for 22 steps of Pendulum-v1: its last skill is cut short by the time limit."""
    values: dict[str, Any] = {
        "id": "pendulum",
        "env": {"kind": "gymnasium", "id": "Pendulum-v1", "episode_length": 22},
        "extract": {"dataset": DATASET},
        "train_skills": {"horizon": HORIZON, "latent_dim": LATENT_DIM},
        "train_rl": {"steps": 1000, "snapshots": [500, 1000], "seed": 0},
        "evaluate": {"episodes": 5, "environments": 1, "video_episodes": 0, "bootstrap": 200, "seed": 0},
    }
    for name, section in sections.items():
        values[name] = {**values[name], **section}
    return Recipe.model_validate(values)


def write_decoder(path: Path, state_dim: int = 3, action_dim: int = 1, bound: float = 2.0, seed: int = 0) -> None:
    """A closed-loop decoder whose actions sometimes exceed the bounds."""
    header = DecoderHeader(
        kind="closed-loop",
        horizon=HORIZON,
        latent_dim=LATENT_DIM,
        state_dim=state_dim,
        action_low=(-bound,) * action_dim,
        action_high=(bound,) * action_dim,
    )
    write_network(path, _layers("decoder", (state_dim + LATENT_DIM, 16, action_dim), seed), header)


def write_policy(path: Path, state_dim: int = 3, seed: int = 1, squash: SquashKind = "none") -> None:
    """A Gaussian policy."""
    header = GaussianHeader(min_log_sigma=-2.0, squash=squash)
    write_network(path, _layers("gaussian", (state_dim, 16, 2 * LATENT_DIM), seed), header)


def _layers(prefix: str, sizes: Sequence[int], seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    tensors = {}
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        tensors[f"{prefix}/{layer}/weight"] = (rng.normal(size=(inputs, outputs)) * 0.5).astype(np.float32)
        tensors[f"{prefix}/{layer}/bias"] = (rng.normal(size=outputs) * 0.2).astype(np.float32)
    return tensors


def make_agent(store: Store, recipe: Recipe, *, fingerprint: str = "a" * 12, seed: int = 1) -> Artifact:
    """An agent with a snapshot at 500 steps, as train-rl would commit it."""
    with open_run(store, recipe.id, "agent", fingerprint) as run:
        write_decoder(run.folder / "decoder.safetensors")
        write_policy(run.folder / "policy.safetensors", seed=seed)
        (run.folder / "snapshots").mkdir()
        for step, other in ((500, seed + 100), (1000, seed)):
            write_policy(run.folder / "snapshots" / f"policy-{step}.safetensors", seed=other)
        return run.commit(
            stage_version=1,
            parameters=stage("agent").parameters(recipe),
            inputs={"dataset": InputRecord(f"minari:{DATASET}", "d" * 12, "d" * 64)},
            seed=seed,
            keep=("decoder.safetensors", "policy.safetensors", "snapshots"),
            extra={"recipe": recipe.model_dump(mode="json")},
        )


def make_skills_and_prior(store: Store, recipe: Recipe) -> dict[str, Artifact]:
    """What a prior rollout needs."""
    made = {}
    for name, file in (("skills", "decoder.safetensors"), ("prior", "prior.safetensors")):
        with open_run(store, recipe.id, name, "b" * 12) as run:
            (write_decoder if name == "skills" else write_policy)(run.folder / file)
            extra = {"recipe": recipe.model_dump(mode="json")}
            made[name] = run.commit(stage_version=1, parameters={}, inputs={}, seed=0, keep=(file,), extra=extra)
    return made


def evaluation_context(folder: Path, recipe: Recipe, inputs: Mapping[str, Artifact], **options: Any) -> StageContext:
    """The context in which the pipeline would run `evaluate`."""
    spec = stage("evaluation") if "agent" in inputs else PRIOR_EVALUATION
    folder.mkdir(parents=True, exist_ok=True)
    return StageContext(
        recipe=recipe,
        spec=spec,
        parameters=spec.parameters(recipe),
        inputs=inputs,
        folder=folder,
        reporter=SilentReporter(),
        options=Options(evaluate=EvaluateOptions(**options)),
    )
