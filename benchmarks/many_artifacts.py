"""Fills a store with pipelines of small artifacts, as a large sweep leaves it.

Manifests and numbers of files are those of real runs, and a plan finds the artifacts; the files hold next to nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

from spirl_cli.payload import (
    AGENT,
    CLIPS,
    CLIPS_FILE,
    CURVE_FILE,
    DECODER_FILE,
    EPISODES_FILE,
    EVALUATION,
    METRICS_FILE,
    MODEL_FILE,
    POLICY_FILE,
    PRIOR,
    PRIOR_FILE,
    RESULTS_FILE,
    SKILLS,
    VIDEOS_FOLDER,
    checkpoint_file,
    replay_file,
    snapshot_file,
)
from spirl_cli.pipeline.execute import stage_seed
from spirl_cli.pipeline.graph import STAGES
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.schema import Recipe
from spirl_cli.stages.context import StageSpec
from spirl_cli.store.fingerprint import fingerprint
from spirl_cli.store.manifest import InputRecord, Manifest, OutputRecord
from spirl_cli.store.names import MANIFEST, version_folder
from spirl_cli.store.provenance import installed_packages, machine

RECIPE = "maze"  # its demonstrations are made here, so that a plan knows them
STAGE_SECONDS = 60.0
CONTENT = b"as good as nothing\n"
FILES: dict[str, tuple[str, ...]] = {
    CLIPS: (CLIPS_FILE,),
    SKILLS: (MODEL_FILE, DECODER_FILE, METRICS_FILE),
    PRIOR: (MODEL_FILE, PRIOR_FILE, METRICS_FILE),
    AGENT: (
        POLICY_FILE,
        DECODER_FILE,
        METRICS_FILE,
        checkpoint_file(300_000),
        *(snapshot_file(step) for step in range(50_000, 300_000, 50_000)),
        *(replay_file(first, first + 10_000) for first in range(0, 30_000, 10_000)),
    ),
    EVALUATION: (EPISODES_FILE, RESULTS_FILE, CURVE_FILE, f"{VIDEOS_FOLDER}/000.mp4"),
}
METRICS: dict[str, dict[str, float]] = {
    CLIPS: {"episodes": 2000.0, "steps": 150_000.0, "windows_train": 120_000.0},
    EVALUATION: {"sampled/return": 0.93, "sampled/success": 0.93, "mean/return": 0.91, "mean/success": 0.91},
}
OTHER_METRICS = {"loss": 0.123456789, "divergence": 1.25, "steps": 300_000.0}


def fill_store(root: Path, pipelines: int) -> list[str]:
    """Write the five artifacts of so many pipelines, one for each seed from 0; return their references."""
    packages, began = installed_packages(), datetime(2026, 1, 1, tzinfo=UTC)
    references = []
    for seed in range(pipelines):
        recipe = load_recipe(RECIPE, seed=seed)
        dataset = import_module(STAGES[0].module).identify(recipe)
        made: dict[str, InputRecord] = {}
        for number, spec in enumerate(STAGES):
            ended = began + timedelta(seconds=STAGE_SECONDS * (seed * len(STAGES) + number))
            inputs = {"dataset": dataset} if spec.reads_dataset else {name: made[name] for name in spec.inputs}
            manifest = _manifest(recipe, spec, inputs, packages, ended)
            made[spec.name] = _write(root, manifest)
            references.append(manifest.reference)
    return references


def _manifest(
    recipe: Recipe, spec: StageSpec, inputs: Mapping[str, InputRecord], packages: dict[str, str], ended: datetime
) -> Manifest:
    parameters = spec.parameters(recipe)
    known = {name: record.fingerprint for name, record in inputs.items()}
    checksum = hashlib.sha256(CONTENT).hexdigest()
    return Manifest(
        recipe=recipe.id,
        stage=spec.name,
        stage_version=spec.version,
        version=recipe.seed + 1,
        fingerprint=fingerprint(spec.name, spec.version, parameters, known),
        profile=recipe.profile,
        parameters=parameters,
        inputs=dict(inputs),
        outputs=[OutputRecord(name, len(CONTENT), checksum) for name in FILES[spec.name]],
        seed=stage_seed(recipe, spec),
        packages=packages,
        machine=machine(),
        commit=None,
        command=["spirl", "run", recipe.id, "--seed", str(recipe.seed)],
        started=(ended - timedelta(seconds=STAGE_SECONDS)).isoformat(timespec="microseconds"),
        finished=ended.isoformat(timespec="microseconds"),
        seconds=STAGE_SECONDS,
        metrics=METRICS.get(spec.name, OTHER_METRICS),
        extra={"device": "cpu", "recipe": recipe.model_dump(mode="json")},
    )


def _write(root: Path, manifest: Manifest) -> InputRecord:
    folder = root / manifest.recipe / manifest.stage / version_folder(manifest.version, manifest.fingerprint)
    for output in manifest.outputs:
        path = folder / output.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT)
    data = manifest.to_json()
    (folder / MANIFEST).write_bytes(data)
    return InputRecord(manifest.reference, manifest.fingerprint, hashlib.sha256(data).hexdigest())
