"""Reports: the numbers of the evaluations, drawn and tabulated in one file that needs nothing else."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from spirl_cli.evaluation.results import read_rows
from spirl_cli.report.chart import Curve, Point, chart, ticks
from spirl_cli.report.lines import Line, Unfinished, line
from spirl_cli.report.page import page
from spirl_cli.store.store import Store
from tests.support.commands import Workspace

VOID = {"meta", "input", "line", "circle", "polygon", "polyline", "img"}
CURVES = re.compile(r'<svg [^>]*aria-label="[^"]* over environment steps".*?</svg>', re.S)


class Balance(HTMLParser):
    """Notes the text of table cells; fails where tags do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for key, value in attrs if key in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open:
            self.cells[-1] += data


def read(text: str) -> Balance:
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    return parser


@pytest.fixture
def lines(swing: Workspace) -> list[Line]:
    (evaluation,) = Store(swing.folder / "artifacts").artifacts(stage="evaluation")
    return [line("<plain> & simple", [evaluation]), line("another", [evaluation])]


def test_a_report_holds_the_numbers_and_no_link(lines: list[Line]) -> None:
    text = page("Mine", lines, [Unfinished("cell seed=3", "failed")], "spirl sweep x --set 'a=<b>'")
    parsed = read(text)
    (evaluation,) = lines[0].evaluations
    rows = [row for row in read_rows(evaluation.file("results.json")) if row.method != "random"]
    for row in rows:
        assert f"{row.mean:.4g}" in parsed.cells and f"{row.env_steps:,}" in parsed.cells
    assert {"<plain> & simple", "another", evaluation.fingerprint, "cell seed=3", "failed"} <= set(parsed.cells)
    assert parsed.addresses == [] and "http" not in text and "url(" not in text
    assert "--set 'a=<b>'" not in text  # escaped


def test_each_policy_has_a_chart_with_a_curve_for_each_condition(lines: list[Line]) -> None:
    text = page("Mine", lines)
    charts = [ElementTree.fromstring(svg) for svg in CURVES.findall(text)]
    kinds = {(row.metric, row.policy) for row in lines[0].rows}
    assert len(charts) == len(kinds)
    for drawn in charts:
        assert [group.get("data-line") for group in drawn.findall("g[@data-line]")] == ["0", "1"]


def test_points_lie_where_their_numbers_say() -> None:
    points = (Point(0, 1.0, 0.5, 1.5), Point(100, 3.0, 2.0, 4.0), Point(200, 2.0, 2.0, 2.0))
    drawn = ElementTree.fromstring(chart([Curve("a", 9, points)], "success"))
    circles = [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in drawn.iter("circle")]
    assert circles[1][0] == pytest.approx((circles[0][0] + circles[2][0]) / 2, abs=0.2)
    assert circles[2][1] == pytest.approx((circles[0][1] + circles[1][1]) / 2, abs=0.2)
    assert circles[1][1] < circles[0][1]  # more is higher
    titles = [title.text for title in drawn.iter("title")]
    assert titles[1] == "a\n100 environment steps: 3 [2, 4]" and drawn.find("g[@data-line='9']") is not None


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-250.3, -197.2), (0, 1.3e6), (0.11, 0.12), (-0.5, 0.5)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 6 and all(low - 1e-9 <= value <= high + 1e-9 for value in found)


def test_results_are_drawn_against_an_axis(lines: list[Line]) -> None:
    settings = [{"method": "a", "train_skills.horizon": 3}, {"method": "a", "train_skills.horizon": 10}]
    swept = [dataclasses.replace(one, settings=values) for one, values in zip(lines, settings, strict=True)]
    text = page("Mine", swept, draw=[("train_skills.horizon", None)])
    charts = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.S)]
    curves = len(CURVES.findall(text))
    last = max(row.env_steps for row in lines[0].rows)
    (row, *_) = [row for row in lines[0].rows if row.env_steps == last]
    drawn = next(one for one in charts if "train_skills.horizon" in one.attrib["aria-label"])
    numbers = f"{row.mean:.4g} [{row.low:.4g}, {row.high:.4g}]"
    titles = [title.text for title in drawn.iter("title")]
    assert titles == [f"a\n{value} train_skills.horizon: {numbers}" for value in (3, 10)]
    none = page("Mine", swept, draw=[("train_skills.horizon", "no such metric")])
    assert none.count("<svg") == len(charts) - curves  # those against the axis are gone


def test_conditions_that_cannot_be_joined_say_why(swing: Workspace) -> None:
    (evaluation,) = Store(swing.folder / "artifacts").artifacts(stage="evaluation")
    broken = line("twice", [evaluation, evaluation])
    assert broken.rows == () and "the same weights" in broken.problem
    assert "the same weights" in page("Mine", [broken])


def test_the_command_writes_a_sweep_or_evaluations(workspace: Callable[..., Workspace]) -> None:
    work = workspace("clips", "skills", "prior", "agent", "evaluation")
    assert "There is no sweep" in work.spirl("report", code=3).stderr
    work.spirl("sweep", "swing.yaml", "--name", "mine")
    assert work.spirl("report", "-o", "out.html").stdout == "out.html\n"
    assert "swing.yaml" in read((work.folder / "out.html").read_text()).cells
    work.spirl("report", "swing/evaluation@v1", "mine", "-o", "both.html")
    assert {"swing.yaml", "swing/evaluation@v1"} <= set(read((work.folder / "both.html").read_text()).cells)
    assert "no folder" in work.spirl("report", "mine", "-o", "none/out.html", code=2).stderr
    work.spirl("report", "mien", code=3)
