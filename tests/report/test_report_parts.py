"""The parts of a report: tasks, published curves, the pipeline, differences, pictures, size."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from spirl_cli.report import media as media_module
from spirl_cli.report.bars import task_bars
from spirl_cli.report.lines import Line, line
from spirl_cli.report.media import media
from spirl_cli.report.origin import behind, findings, machines, recipe_differences, versions
from spirl_cli.report.page import page
from spirl_cli.report.pipeline import pipeline
from spirl_cli.report.published import published_curves
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.head import head_of
from spirl_cli.store.manifest import Manifest
from spirl_cli.store.store import Store
from tests.support.commands import CHECKOUT, Workspace

REFERENCE = Store(CHECKOUT / "artifacts/reference")


@pytest.fixture
def swing_evaluation(swing: Workspace) -> Artifact:
    (evaluation,) = Store(swing.folder / "artifacts").artifacts(stage="evaluation")
    return evaluation


@pytest.fixture(scope="module")
def kitchen() -> list[Artifact]:
    """The reference evaluations of the kitchen, all of the same task but their seeds and methods."""
    found = REFERENCE.artifacts(recipe="kitchen-scripted", stage="evaluation")
    assert found
    return found


def with_manifest(artifact: Artifact, **changes: object) -> Artifact:
    manifest: Manifest = dataclasses.replace(artifact.manifest, **changes)  # type: ignore[arg-type]
    return artifact_of(artifact.path, manifest)


def artifact_of(path: Path, manifest: Manifest) -> Artifact:
    data = manifest.to_json()
    return Artifact(path, head_of(manifest), data, hashlib.sha256(data).hexdigest())


def test_tasks_have_bars_with_the_rates_of_the_episodes(kitchen: list[Artifact]) -> None:
    drawn = dict(task_bars([line("one", kitchen[:1])]))
    for svg in drawn.values():
        titles = [title.text or "" for title in ElementTree.fromstring(svg).iter("title")]
        assert [title.splitlines()[1].partition(":")[0] for title in titles] == [
            "microwave", "kettle", "bottom burner", "light switch",
        ]  # fmt: skip
        rates = [float(title.rpartition(": ")[2].split()[0]) for title in titles]
        assert all(0.0 <= rate <= 1.0 for rate in rates)
    assert drawn


def test_without_tasks_there_are_no_bars(swing_evaluation: Artifact) -> None:
    assert list(task_bars([line("one", [swing_evaluation])])) == []


def test_published_curves_are_dashed_in_their_metric_only() -> None:
    evaluation = REFERENCE.artifacts(recipe="kitchen", stage="evaluation")[-1]
    own = line("ours", [evaluation])
    (env,) = {row.env for row in own.rows}
    curves, note = published_curves([own], env, "subtasks")
    assert curves and note and all(curve.published for curve in curves)
    assert published_curves([own], env, "return") == ([], "")
    text = page("Mine", [own])
    assert text.count('class="curve published') >= len(curves) and all(curve.name in text for curve in curves)


def test_the_pipeline_has_each_artifact_once_with_its_fingerprint(swing: Workspace) -> None:
    store = Store(swing.folder / "artifacts")
    evaluations = store.artifacts(stage="evaluation")
    drawn = ElementTree.fromstring(pipeline([*evaluations, *evaluations], store.artifacts()))
    texts = [text.text for text in drawn.iter("text")]
    for artifact in store.artifacts():
        assert texts.count(artifact.fingerprint) == 1 and artifact.reference in texts
    assert len(list(drawn.iter("path"))) == 7  # dataset to clips, and what each stage reads
    assert texts[0] == "test/pendulum-v0" or "minari:test/pendulum-v0" in texts


def test_differences_of_recipes_leave_seeds_out(swing_evaluation: Artifact) -> None:
    recipe = dict(swing_evaluation.manifest.extra["recipe"])
    changed = {**recipe, "seed": 7, "train_rl": {**recipe["train_rl"], "discount": 0.5, "seed": 7}}
    other = with_manifest(swing_evaluation, extra={**swing_evaluation.manifest.extra, "recipe": changed})
    lines = [line("a", [swing_evaluation]), Line("b", (other,), ())]
    text = recipe_differences(lines)
    assert re.findall(r"<td>([\w.]+)</td><td>[^<]*</td><td>0.5</td>", text) == ["train_rl.discount"]
    assert "seed" not in text and recipe_differences(lines[:1]) == ""


def test_warnings_machines_and_versions_are_those_of_all_stages(swing: Workspace) -> None:
    store = Store(swing.folder / "artifacts")
    artifacts = behind(store.artifacts(stage="evaluation"), store.artifacts())
    assert {one.manifest.stage for one in artifacts} == {"clips", "skills", "prior", "agent", "evaluation"}
    (skills,) = store.artifacts(stage="skills")
    said = skills.manifest.extra["findings"]
    assert said and all(f"<td>{skills.reference}</td>" in findings(artifacts) for _ in said)
    assert skills.manifest.machine.processor in machines(artifacts)
    assert f"<td>{skills.manifest.packages['torch']}</td>" in versions(artifacts)
    assert findings([]) == ""


def test_pictures_and_videos_are_in_the_page(
    swing_evaluation: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "videos").mkdir()
    files = {"paths.png": b"\x89PNG paths", "videos/mean-0.mp4": b"first", "videos/mean-1.mp4": b"second"}
    outputs = []
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        checksum = hashlib.sha256(data).hexdigest()
        outputs.append(
            dataclasses.replace(swing_evaluation.manifest.outputs[0], file=name, bytes=len(data), sha256=checksum)
        )
    filmed = artifact_of(tmp_path, dataclasses.replace(swing_evaluation.manifest, outputs=outputs))
    lines = [Line("a", (filmed,), ())]
    text = "".join(media(lines, videos=True))
    assert [base64.b64decode(data) for data in re.findall(r"base64,([^\"]+)", text)] == [
        files["paths.png"], files["videos/mean-0.mp4"],
    ]  # fmt: skip
    assert "video" not in "".join(media(lines, videos=False))
    monkeypatch.setattr(media_module, "PICTURE_BYTES", 3)
    assert "1 more files are in the artifacts" in "".join(media(lines, videos=False))


def test_thirty_cells_are_less_than_five_megabytes() -> None:
    evaluations = [one for one in REFERENCE.artifacts(stage="evaluation") if not line("x", [one]).problem][:30]
    lines = [line(evaluation.reference, [evaluation]) for evaluation in evaluations]
    text = page("Thirty", lines, known=REFERENCE.artifacts(), videos=False)
    assert len(lines) == 30 and len(text.encode()) < 5_000_000
    assert "http" not in text.replace("http://www.w3.org", "")
