"""Several datasets extracted at once: alike or refused, each counted, each with its share held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spirl_cli.clips.reader import Clips
from spirl_cli.clips.writer import split_datasets, split_episodes
from spirl_cli.demos.source import find_sources
from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.errors import DatasetError
from spirl_cli.monitor.reporter import SilentReporter
from spirl_cli.payload import CLIPS_FILE
from spirl_cli.recipe.schema import Recipe
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.settings import WHOLE_OBSERVATION
from spirl_cli.stages.context import StageContext, StageResult, StageSpec
from spirl_cli.stages.extract import execute, identify
from tests.support.commands import run_spirl
from tests.support.format_writers import make_episodes, write_flat, write_ogbench, write_robomimic, write_rollouts

SPEC = StageSpec("clips", "extract", "extract", 1, (), lambda recipe: {}, "spirl_cli.stages.extract")
STATES = [{"key": "state"}]


def recipe_of(datasets: list[Path], **more: Any) -> Recipe:
    values = {"observation": WHOLE_OBSERVATION, "action_bounds": (-1, 1), "seed": 0, "validation_fraction": 0.25}
    section = ExtractSection.model_validate({"dataset": [str(path) for path in datasets], **values, **more})
    env = GymnasiumSection(kind="gymnasium", id="Pendulum-v1", episode_length=60)
    return Recipe(id="test", env=env, extract=section, train_skills=TrainSkillsSection(horizon=5))


def extract(folder: Path, datasets: list[Path], **more: Any) -> StageResult:
    folder.mkdir()
    return execute(StageContext(recipe_of(datasets, **more), SPEC, {}, {}, folder, SilentReporter()))


def states(clips: Clips, episode: int) -> np.ndarray:
    return clips.states(np.arange(*clips.episode_offsets[episode : episode + 2]))


def test_each_dataset_is_counted_and_has_its_share_held_out(tmp_path: Path) -> None:
    many, few = make_episodes(12), make_episodes(4, shortest=30)
    paths = [write_ogbench(tmp_path / "a.npz", many), write_rollouts(tmp_path / "b", few)]
    result = extract(tmp_path / "run", paths)
    clips = Clips.open(tmp_path / "run" / CLIPS_FILE)
    for number, (expected, _) in enumerate([*many, *few]):
        np.testing.assert_array_equal(states(clips, number), expected)
    assert clips.dataset_offsets.tolist() == [0, 12, 16] and clips.episode_numbers.tolist() == [*range(12), *range(4)]
    rows = result.extra["datasets"]
    assert [row["dataset"] for row in rows] == [f"ogbench:{paths[0]}", f"hdf5:{paths[1]}"]
    assert [row["episodes"] for row in rows] == [12, 4]
    assert [row["steps"] for row in rows] == [sum(len(a) - 1 for _, a in one) for one in (many, few)]
    held_out = np.searchsorted(clips.episode_offsets, clips.starts("validation"), "right") - 1
    assert np.bincount(np.unique(held_out) >= 12).tolist() == [3, 1]
    for name in ("episodes", "steps", "windows_train", "windows_validation"):
        assert result.metrics[name] == sum(row[name] for row in rows)
    windows = [sum(len(a) - 5 for _, a in one) for one in (many, few)]
    assert [row["windows_train"] + row["windows_validation"] for row in rows] == windows
    assert rows[1]["windows_validation"] == (clips.starts("validation") >= clips.episode_offsets[12]).sum()
    parts = clips.identity["parts"]
    assert len({part["sha256"] for part in parts}) == 2
    record = result.inputs["dataset"]
    assert record.reference == f"ogbench:{paths[0]} + hdf5:{paths[1]}" and record == identify(recipe_of(paths))
    assert identify(recipe_of(paths[::-1])) != record


def test_what_is_mended_is_counted_for_each(tmp_path: Path) -> None:
    sick = [(s.copy(), a.copy()) for s, a in make_episodes(6)]
    sick[2][0][3] = np.nan
    paths = [write_flat(tmp_path / "a.hdf5", make_episodes(6, shortest=20)), write_ogbench(tmp_path / "b.npz", sick)]
    result = extract(tmp_path / "run", paths, bad_episodes="skip")
    assert [row.get("bad_episodes_skipped", 0) for row in result.extra["datasets"]] == [0, 1]
    assert result.metrics["bad_episodes_skipped"] == 1 and result.metrics["episodes"] == 11


def test_short_episodes_are_not_joined_across_datasets(tmp_path: Path) -> None:
    first = [*make_episodes(3), *make_episodes(1, shortest=4)]
    paths = [write_ogbench(tmp_path / "a.npz", first), write_ogbench(tmp_path / "b.npz", make_episodes(3, shortest=30))]
    result = extract(tmp_path / "run", paths, short_episodes="join")
    assert [(row["episodes"], row["skipped"]) for row in result.extra["datasets"]] == [(3, 1), (3, 0)]


def test_masks_are_for_each(tmp_path: Path) -> None:
    files = [write_robomimic(tmp_path / f"{n}.hdf5", make_episodes(6, shortest=12 + n)) for n in range(2)]
    for path in files:
        with h5py.File(path, "a") as file:
            file["mask/train"] = [b"demo_0", b"demo_4", b"demo_5"]
    counts = [
        [row["episodes"] for row in extract(tmp_path / name, files, observation=STATES, filter=mask).extra["datasets"]]
        for name, mask in (("none", None), ("one", ["train", None]), ("both", "train"))
    ]
    assert counts == [[6, 6], [3, 6], [3, 3]]


def differing(tmp_path: Path, **sizes: int) -> list[Path]:
    other = write_ogbench(tmp_path / "b.npz", make_episodes(3, shortest=20, **sizes))
    return [write_ogbench(tmp_path / "a.npz", make_episodes(3)), other]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"states": 6}, r"a.npz has observations of 5 numbers, those of ogbench:.*b.npz have 6"),
        ({"actions": 3}, r"a.npz has actions of 2 numbers, those of ogbench:.*b.npz have 3"),
    ],
)
def test_differing_datasets_are_refused_before_they_are_read(
    sizes: dict[str, int], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=message) as refusal:
        extract(tmp_path / "run", differing(tmp_path, **sizes))
    assert "the same observations and actions" in refusal.value.hint
    assert not list((tmp_path / "run").iterdir())


def test_other_keys_are_refused(tmp_path: Path) -> None:
    paths = [
        write_robomimic(tmp_path / "a.hdf5", make_episodes(3)),
        write_ogbench(tmp_path / "b.npz", make_episodes(3)),
    ]
    with pytest.raises(DatasetError, match=r"ogbench:.*b.npz: episode 0: the observation has no key 'state'"):
        extract(tmp_path / "run", paths, observation=STATES)


def test_other_bounds_are_refused(tmp_path: Path) -> None:
    paths = [write_rollouts(tmp_path / str(n), make_episodes(3, shortest=12 + n)) for n in range(2)]
    for number, folder in enumerate(paths):
        with h5py.File(folder / "rollout-000.h5", "a") as file:
            file.attrs.update(action_low=[-1, -1], action_high=[1, 1 + number])
    with pytest.raises(DatasetError, match=r"bounds number 1 of its actions by \[-1, 1\], .*1 by \[-1, 2\]") as refusal:
        extract(tmp_path / "run", paths, action_bounds=None)
    assert "action_bounds" in refusal.value.hint


def test_the_same_data_twice_are_refused(tmp_path: Path) -> None:
    paths = [write_ogbench(tmp_path / name, make_episodes(3)) for name in ("a.npz", "b.npz")]
    with pytest.raises(DatasetError, match=r"b.npz holds the same data as ogbench:.*a.npz"):
        extract(tmp_path / "run", paths)


def test_the_split_of_one_dataset_is_as_before() -> None:
    np.testing.assert_array_equal(split_datasets([20], 0.2, 3), split_episodes(20, 0.2, 3))
    assert split_datasets([1, 1], 0.5, 0).sum() == 1, "something is held out"
    mask = split_datasets([1, 4, 0], 0.25, 0)
    assert len(mask) == 5 and not mask[0] and mask[1:].sum() == 1, "a dataset of one episode is trained on"


def test_a_list_of_one_is_that_dataset() -> None:
    section = ExtractSection.model_validate({"dataset": ["x/y-v0"]})
    assert section == ExtractSection(dataset="x/y-v0") and section.datasets == ("x/y-v0",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dataset": []}, "extract.dataset is an empty list"),
        ({"dataset": ["a-v0", "b-v0"], "filter": ["train"]}, "extract.filter has 1 entries for 2 datasets"),
    ],
)
def test_lists_that_do_not_fit_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExtractSection.model_validate(values)


def test_a_dataset_that_is_not_here_leaves_the_identity_unknown(tmp_path: Path) -> None:
    here = write_ogbench(tmp_path / "a.npz", make_episodes(3))
    recipe = recipe_of([here, Path("no/such-v0")])
    assert identify(recipe) is None and len(find_sources(recipe.extract, recipe.env)) == 2


def test_content_and_not_the_path_decides(tmp_path: Path) -> None:
    for number, name in enumerate(("a.npz", "b.npz")):
        write_ogbench(tmp_path / name, make_episodes(6, states=3, actions=1, shortest=20 + number))
    (tmp_path / "two.yaml").write_text(
        "env: {kind: gymnasium, id: Pendulum-v1, episode_length: 60}\n"
        "extract: {dataset: [a.npz, ./b.npz], action_bounds: [-2, 2]}\n"
        "train_skills: {horizon: 5}\n"
    )
    made = run_spirl("extract", "two.yaml", "--json", cwd=tmp_path)
    assert "held out" in made.stderr and json.loads(made.stdout)["metrics"]["episodes"] == 12
    (tmp_path / "a.npz").rename(tmp_path / "moved.npz")
    again = run_spirl("extract", "two.yaml", "--set", "extract.dataset=[moved.npz, b.npz]", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["path"] == json.loads(made.stdout)["path"] and "up to date" in again.stderr
