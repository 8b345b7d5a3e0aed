"""Files of episodes, rows of results, and the names of methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Literal

import pytest

from spirl_cli.domains.kitchen.section import KitchenSection
from spirl_cli.domains.maze.section import MazeSection
from spirl_cli.errors import ArtifactError
from spirl_cli.evaluation.episodes import EpisodeResult, PolicyEpisodes, read_episodes, write_episodes
from spirl_cli.evaluation.naming import method_name, nominal_steps, training_data
from spirl_cli.evaluation.results import Provenance, ResultRow, result_rows
from spirl_cli.recipe.sections.rl import Parity, TrainRLSection
from spirl_cli.store.store import Store
from tests.support.agent_data import make_skills_and_prior, pendulum_recipe
from tests.support.evaluation_data import RESULT_FIELDS


def episodes(policy: str, env_steps: int, returns: Sequence[float]) -> PolicyEpisodes:
    results = (EpisodeResult(k, value, 22, {"success": float(value > 0)}) for k, value in enumerate(returns))
    return PolicyEpisodes("spirl", policy, env_steps, tuple(results))


def test_episodes_survive_the_csv_exactly(tmp_path: Path) -> None:
    groups = [episodes("sampled", 500, [0.1 + 0.2, -1e-17]), episodes("mean", 500, [1 / 3])]
    write_episodes(tmp_path / "episodes.csv", groups)
    assert read_episodes(tmp_path / "episodes.csv") == groups


def test_a_damaged_csv_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "episodes.csv"
    write_episodes(path, [episodes("mean", 0, [1.0, 2.0])])
    path.write_text(path.read_text().replace("2.0", "two"))
    with pytest.raises(ArtifactError, match=r"episodes\.csv:3"):
        read_episodes(path)


def test_the_fields_of_a_row_keep_their_names_and_order() -> None:
    assert [field.name for field in fields(ResultRow)] == RESULT_FIELDS.split()


def test_kitchen_rows_count_subtasks_and_name_their_condition() -> None:
    group = PolicyEpisodes("prior", "mean", 0, (EpisodeResult(0, 1.0, 280, {"subtasks": 1.0, "kettle": 1.0}),))
    provenance = Provenance("relay/kitchen-human-v0", None, "spirl evaluate kitchen --prior-only")
    (row,) = result_rows([group], KitchenSection(order="in-order", noise=0.1), provenance, resamples=10, seed=0)
    assert (row.env, row.metric, row.order, row.noise, row.mean) == ("kitchen", "subtasks", "in-order", 0.1, 1.0)
    assert (row.reward, row.layout, row.seeds, row.episodes) == (None, None, 1, 1)


@pytest.mark.parametrize(
    ("model", "regularizer", "start", "method"),
    [
        ("closed-loop", "prior", "prior", "spirl"),
        ("open-loop", "prior", "prior", "spirl-open-loop"),
        ("primitive", "prior", "prior", "flat-prior"),
        ("closed-loop", "entropy", "scratch", "no-prior"),
        ("primitive", "entropy", "prior", "bc-sac"),
        ("primitive", "entropy", "scratch", "sac"),
        ("closed-loop", "entropy", "prior", "prior-as-start-only"),
        ("open-loop", "prior", "scratch", "prior-as-regularizer-only"),
    ],
)
def test_methods_have_the_names_of_published_rows(
    model: str, regularizer: Literal["prior", "entropy"], start: Literal["prior", "scratch"], method: str
) -> None:
    section = TrainRLSection(regularizer=regularizer, initial_policy=start)
    assert method_name(model, section, KitchenSection()) == method
    assert method_name(model, section, MazeSection(kind="maze")) == {"spirl-open-loop": "spirl"}.get(method, method)


def test_nominal_steps_count_the_warmup() -> None:
    assert nominal_steps(TrainRLSection(warmup_steps=50), 200) == 200
    assert nominal_steps(TrainRLSection(warmup_steps=50, parity=Parity(uncounted_warmup=True)), 200) == 250


def test_data_is_known_from_the_recipe_where_the_clips_are_gone(store: Store) -> None:
    prior = make_skills_and_prior(store, pendulum_recipe(extract={"dataset": "/home/me/rollouts.hdf5"}))["prior"]
    assert training_data(prior) == "rollouts.hdf5"
