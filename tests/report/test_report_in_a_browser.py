"""The report in a real browser, where Chromium is installed: no message, sorting, switching, printing."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from spirl_cli.report.lines import Line, line
from spirl_cli.report.page import page
from spirl_cli.store.store import Store
from tests.support.commands import Workspace

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@pytest.fixture
def lines(swing: Workspace) -> list[Line]:
    """Two conditions, the first of which has interquartile means."""
    (evaluation,) = Store(swing.folder / "artifacts").artifacts(stage="evaluation")
    first = line("<plain> & simple", [evaluation])
    moved = tuple(dataclasses.replace(row, mean=row.mean + 1.0) for row in first.rows)
    return [dataclasses.replace(first, middle=moved), line("another", [evaluation])]


def browse(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Open a page without a window; what it says on its console is on stderr."""
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    profile = f"--user-data-dir={path.parent / 'profile'}"
    return subprocess.run([*command, profile, *options, path.as_uri()], capture_output=True, text=True, timeout=300)


def answer(text: str, script: str, path: Path, *options: str) -> str:
    """Run a script in the page and return what it makes of the title."""
    path.write_text(text.replace("</body>", f"<script>{script}</script></body>"))
    done = browse(path, "--dump-dom", *options)
    assert "CONSOLE" not in done.stderr, done.stderr
    found = re.search(r"<title>(.*?)</title>", done.stdout)
    assert found is not None, done.stderr
    return found[1]


def test_it_loads_without_a_message_and_sorts(lines: list[Line], tmp_path: Path) -> None:
    text = page("Mine", lines)
    script = """
      const head = [...document.querySelectorAll("th button")].find((one) => one.textContent === "mean");
      const column = head.closest("th").cellIndex, rows = () =>
        [...head.closest("table").tBodies[0].rows].map((row) => Number(row.cells[column].dataset.value));
      head.click(); const up = rows(); head.click(); const down = rows();
      const sorted = up.every((value, at) => !at || up[at - 1] <= value) && String(down) === String([...up].reverse());
      const box = document.querySelector(".legend input"); box.click();
      const hidden = document.querySelectorAll('[data-line="0"].off').length;
      document.title = `sorted ${sorted} hidden ${hidden}`;"""
    drawn = text.count('data-line="0"')
    assert drawn and answer(text, script, tmp_path / "report.html") == f"sorted true hidden {drawn}"


def test_it_switches_between_mean_and_interquartile_mean(lines: list[Line], tmp_path: Path) -> None:
    script = """
      const shown = (kind) => [...document.querySelectorAll(`.of-${kind}`)].filter((one) => one.offsetHeight).length;
      const before = [shown("mean"), shown("middle")];
      document.querySelector('.statistic input[value="middle"]').click();
      document.title = `${before} then ${[shown("mean"), shown("middle")]}`;"""
    kinds = len({(row.metric, row.policy) for row in lines[0].rows})
    expected = f"{kinds},0 then 0,{kinds}"
    assert answer(page("Mine", lines), script, tmp_path / "report.html") == expected


def test_it_follows_light_and_dark(lines: list[Line], tmp_path: Path) -> None:
    script = "document.title = getComputedStyle(document.body).backgroundColor;"
    text = page("Mine", lines)
    light = answer(text, script, tmp_path / "light.html")
    dark = answer(text, script, tmp_path / "dark.html", "--blink-settings=preferredColorScheme=0")
    assert light == "rgb(255, 255, 255)" and dark == "rgb(23, 23, 26)"


def test_it_prints(lines: list[Line], tmp_path: Path) -> None:
    path, printed = tmp_path / "report.html", tmp_path / "report.pdf"
    path.write_text(page("Mine", lines))
    done = browse(path, f"--print-to-pdf={printed}")
    content = printed.read_bytes()
    assert content.startswith(b"%PDF") and content.count(b"/Type /Page") > 2, done.stderr
