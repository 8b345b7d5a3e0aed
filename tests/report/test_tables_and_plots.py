"""`spirl table` and `spirl plot`: conditions × steps, seeds joined, for papers."""

from __future__ import annotations

import csv
import io
import json
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from spirl_cli.evaluation.results import ResultRow
from spirl_cli.report.lines import Line
from spirl_cli.report.result_table import latex, markdown, tables
from tests.support.commands import CHECKOUT, Workspace
from tests.support.result_rows import make_row

REFERENCE = CHECKOUT / "artifacts/reference"
SEEDS = ("maze/evaluation@v3", "maze/evaluation@v5", "maze/evaluation@v6")


def line(name: str, *rows: ResultRow, yardsticks: tuple[ResultRow, ...] = ()) -> Line:
    return Line(name, (), rows, yardsticks=yardsticks)


LINES = [
    line("a_b", make_row(), make_row(env_steps=100_000, mean=1.0), yardsticks=(make_row(method="prior", env_steps=0),)),
    line("c", make_row(mean=3.0, low=2.9, high=3.1), yardsticks=(make_row(method="prior", env_steps=0),)),
]


def test_the_largest_mean_of_a_column_stands_out() -> None:
    (found,) = tables(LINES)
    assert markdown(found).splitlines() == [
        "### subtasks in kitchen, sampled policy",
        "",
        "| environment steps | 0 | 100,000 | 200,000 |",
        "|---|---|---|---|",
        "| spirl: a_b | - | 1.00 [2.40, 2.60] | 2.50 [2.40, 2.60] |",
        "| spirl: c | - | - | **3.00** [2.90, 3.10] |",
        "| prior | 2.50 [2.40, 2.60] | - | - |",
    ]


def test_latex_has_a_line_per_condition_and_no_sign_that_latex_would_read() -> None:
    text = latex(tables(LINES)[0])
    assert r"spirl: a\_b & - & 1.00 [2.40, 2.60] & 2.50 [2.40, 2.60] \\" in text
    assert r"\textbf{3.00} [2.90, 3.10] \\" in text and text.count(r"\\") == 4
    assert text.startswith("% subtasks") and text.endswith(r"\end{tabular}")


def test_the_sampled_policy_is_shown_where_there_is_one() -> None:
    both = [line("a", make_row(), make_row(policy="mean"))]
    assert [one.title for one in tables(both)] == ["subtasks in kitchen, sampled policy"]
    assert [one.title for one in tables(both, policy="mean")] == ["subtasks in kitchen, mean policy"]
    assert [one.title for one in tables([line("a", make_row(policy="mean"))])] == ["subtasks in kitchen, mean policy"]
    assert tables(both, metric="return") == []


@pytest.mark.parametrize(("success", "words"), [("ever", "success (at any step)"), ("last", "(at the last step)")])
def test_a_table_says_which_steps_count_as_success(success: str, words: str) -> None:
    (found,) = tables([line("a", make_row(metric="success", success=success))])
    assert words in found.title


def test_seeds_are_joined_into_one_condition(swing: Workspace) -> None:
    known = json.loads(swing.spirl("table", *SEEDS, "--json", "--artifacts", REFERENCE).stdout)
    published = json.loads((REFERENCE / "results.json").read_text())
    ours = {(row["env_steps"], row["mean"]) for row in known}
    assert {row["seeds"] for row in known} == {3} and len({row["name"] for row in known}) == 1
    assert ours <= {(row["env_steps"], row["mean"]) for row in published if row["env"] == "maze"}


def test_the_command_writes_every_form(swing: Workspace) -> None:
    plain = swing.spirl("table", "swing/evaluation").stdout
    assert plain.startswith("return in Pendulum-v1, sampled policy\n") and "skills without prior" in plain
    assert "| prior |" in swing.spirl("table", "swing/evaluation", "--markdown").stdout
    rows = list(csv.DictReader(io.StringIO(swing.spirl("table", "swing/evaluation", "--csv").stdout)))
    assert {row["name"] for row in rows} == {"swing/evaluation@v1"}
    assert {row["method"] for row in rows} == {"spirl", "prior", "no-prior"}
    assert "choose one" in swing.spirl("table", "swing/evaluation", "--csv", "--latex", code=2).stderr
    assert "return" in swing.spirl("table", "swing/evaluation", "--metric", "retrun", code=2).stderr
    assert "no artifact" in swing.spirl("table", "swing/evaluatoin", code=3).stderr


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_a_plot_has_the_form_that_its_name_says(ending: str, swing: Workspace, tmp_path: Path) -> None:
    path = tmp_path / f"curves.{ending}"
    done = swing.spirl("plot", *SEEDS[:2], "-o", path, "--artifacts", REFERENCE)
    assert done.stdout == f"{path}\n"
    assert path.read_bytes()[:8].startswith({"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[ending])
    if ending == "svg":
        words = {text.text for text in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")}
        assert {"200k", "1M", "environment steps, warm-up counted", "SPiRL"} <= words


def test_a_plot_without_a_place_or_a_form_is_refused(swing: Workspace, tmp_path: Path) -> None:
    assert ".png, .pdf, .svg" in swing.spirl("plot", "swing/evaluation", "-o", tmp_path / "a.gif", code=2).stderr
    assert "no folder" in swing.spirl("plot", "swing/evaluation", "-o", tmp_path / "no/a.png", code=2).stderr
    assert not list(tmp_path.iterdir())


def test_an_axis_of_few_steps_has_whole_steps(swing: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "one.svg"
    shutil.copytree(swing.folder / "artifacts", tmp_path / "artifacts")
    swing.spirl("plot", "swing/evaluation", "--policy", "mean", "-o", path)
    words = [text.text or "" for text in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]
    assert not [word for word in words if word.endswith("m") and word[:-1].strip("−").replace(".", "").isdigit()]
