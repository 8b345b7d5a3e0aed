"""The published list of results: its order, its identity of rows, its files."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.publishing import publish, write_csv
from spirl_cli.evaluation.results import read_rows
from tests.support.result_rows import make_row


def test_rows_replace_those_of_the_same_identity_and_are_sorted(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    publish(path, [make_row(), make_row(env_steps=1_000_000), make_row(order=None)])
    rows = publish(path, [make_row(mean=2.7, high=2.8), make_row(env_steps=50_000)])
    assert read_rows(path) == rows
    in_order = [(one.env_steps, one.mean) for one in rows if one.order]
    assert in_order == [(50_000, 2.5), (200_000, 2.7), (1_000_000, 2.5)]


def test_cells_of_a_study_stand_beside_the_row_of_the_recipe(tmp_path: Path) -> None:
    cells = [make_row(study="sizes", cell=f"latent_dim={size}") for size in (4, 10)]
    assert len(publish(tmp_path / "results.json", [make_row(), *cells])) == 3


def test_random_actions_are_not_published(tmp_path: Path) -> None:
    assert publish(tmp_path / "results.json", [make_row(method="random")]) == []


def test_written_rows_have_every_field_in_both_files(tmp_path: Path) -> None:
    (row,) = publish(tmp_path / "results.json", [make_row(interval="95 % bootstrap over seeds and episodes")])
    assert json.loads((tmp_path / "results.json").read_text()) == [asdict(row)]
    write_csv(tmp_path / "results.csv", [row])
    with (tmp_path / "results.csv").open(newline="") as file:
        (read,) = csv.DictReader(file)
    assert list(read) == list(asdict(row))
    assert (read["mean"], read["task"], read["interval"]) == ("2.5", "", row.interval)
