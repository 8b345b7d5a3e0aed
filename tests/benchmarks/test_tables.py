"""Tables of results: their content, and that those in the documents are made from the published rows."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.headlines import HEADLINES, PUBLISHED_TASKS, Headline, published_points
from benchmarks.markdown import headline_table, result_tables
from benchmarks.publishing import RESULTS
from spirl_cli.errors import UsageError
from spirl_cli.evaluation.results import ResultRow, read_rows
from tests.support.commands import CHECKOUT, Workspace
from tests.support.result_rows import make_row

LONGEST_CELL = 80  # characters
DOCUMENTS = ("docs/results.md", "README.md")


@pytest.fixture(scope="module")
def published() -> list[ResultRow]:
    return read_rows(CHECKOUT / RESULTS)


def body(table: str) -> list[list[str]]:
    """Return the cells of a table's rows, without the two lines of its head."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_documents_show_the_published_rows(name: str, published: Sequence[ResultRow]) -> None:
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    parts = {"docs/results.md": tables.docs_part, "README.md": headline_table}
    renewed = tables.renewed(text, parts[name](published), name)
    assert renewed == text, "type `make tables`"


def test_the_csv_shows_the_published_rows(published: Sequence[ResultRow]) -> None:
    with (CHECKOUT / RESULTS).with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [field.name for field in fields(ResultRow)]
    assert [(row["env"], row["method"], float(row["mean"])) for row in rows] == [
        (row.env, row.method, row.mean) for row in published
    ]


def test_cells_are_short(published: Sequence[ResultRow]) -> None:
    text = tables.docs_part(published)
    cells = [cell.strip() for line in text.splitlines() if line.startswith("|") for cell in line.split("|")]
    assert max(map(len, cells)) <= LONGEST_CELL


def test_every_published_row_has_a_line(published: Sequence[ResultRow]) -> None:
    ours = [line for line in result_tables(published).splitlines() if line.startswith("|") and "**" in line]
    assert len(ours) == len(published)


class TestHeadlines:
    def test_there_are_seven_each_beside_a_published_number(self, published: Sequence[ResultRow]) -> None:
        rows = body(headline_table(published))
        assert len(rows) == len(HEADLINES) == 7
        kitchen = rows[0]
        assert kitchen[:2] == ["kitchen: subtasks of four, in order, noise 0.01", "0.2 M"]
        assert kitchen[3] == "3 x 100" and kitchen[2].startswith("**3.97** [3.91, 4.00]")
        assert kitchen[4].startswith("SPiRL, closed-loop 2.45 at 0.25 M; SkiMo")  # the warm-up of 50,000 is added

    def test_a_row_of_a_study_or_of_another_policy_is_no_headline(self) -> None:
        headline = HEADLINES[0]
        others = [make_row(study="sizes", cell="a"), make_row(policy="mean"), make_row(noise=0.1)]
        with pytest.raises(UsageError, match="kitchen"):
            headline.row(others)
        assert headline.row([*others, make_row()]) == make_row()

    def test_a_point_that_nobody_published_is_refused(self) -> None:
        with pytest.raises(KeyError):
            Headline("maze", "maze", (("SPiRL", 1.0),), "maze", "success", 0).published()

    @pytest.mark.parametrize("task", PUBLISHED_TASKS)
    def test_every_published_task_has_points(self, task: str) -> None:
        points = published_points(task)
        assert points and all(point.counted_step - point.step in (0, 50_000) for point in points)


class TestAllRows:
    def test_data_that_users_cannot_fetch_is_marked(self) -> None:
        text = result_tables([make_row(), make_row(data="D4RL/kitchen/mixed-v2")])
        marked, plain = body(text)[:2]
        assert "†" in marked[1] and "†" not in plain[1] and "not public" in text
        assert marked[3:] == ["3 x 100", "200,000", "**2.50** [2.40, 2.60]"]
        assert "not public" not in result_tables([make_row(data="D4RL/kitchen/mixed-v2")])

    def test_other_settings_stand_in_tables_of_their_own(self) -> None:
        rows = [make_row(), make_row(noise=0.1), make_row(task="ten-held-out", study="tasks", cell="a")]
        text = result_tables(rows)
        assert [line for line in text.splitlines() if line.startswith("### subtasks")] == [
            "### subtasks, in order, noise 0.01",
            "### subtasks, in order, noise 0.1",
            "### subtasks, ten-held-out, in order, noise 0.01, study tasks, a",
        ]


class TestCommand:
    def test_a_document_without_markers_is_refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        results = Path(shutil.copy(CHECKOUT / RESULTS, tmp_path))
        readme = tmp_path / "README.md"
        readme.write_text("nothing\n")
        assert tables.main(["--results", str(results), "--readme", str(readme)]) == 2
        assert tables.BEGIN in capsys.readouterr().err and readme.read_text() == "nothing\n"
        assert tables.main(["--results", str(results), "--docs", str(tmp_path / "missing")]) == 2

    def test_an_evaluation_becomes_rows_tables_and_a_picture(
        self, swing: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        results, docs, curve = (
            Path(shutil.copy(CHECKOUT / RESULTS, tmp_path)),
            tmp_path / "all-rows",
            tmp_path / "c.png",
        )
        docs.write_text(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n")
        known = read_rows(results)
        options = ["--results", str(results), "--artifacts", str(swing.folder / "artifacts")]
        assert tables.main(["swing/evaluation", *options, "--docs", str(docs), "--curve", str(curve)]) == 0
        added = [row for row in read_rows(results) if row not in known]
        assert added and {row.interval for row in added} == {"95 % Student's t"}  # few episodes
        assert {row.data for row in added} == {"test/pendulum-v0"}
        text = docs.read_text()
        assert text.startswith(f"before\n{tables.BEGIN}\n") and text.endswith(f"\n{tables.END}\nafter\n")
        assert "test/pendulum-v0" in text and "old" not in text.split("\n")
        assert curve.read_bytes().startswith(b"\x89PNG")
        assert capsys.readouterr().out == ""
        assert tables.main(["swing/evaluation@v9", *options]) == 3
