"""A package outside spirl adds a format by an entry point; no file of spirl is changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.commands import CHECKOUT, run_spirl

READER = """
from pathlib import Path
import numpy as np
from spirl_cli.demos.dataset import Contents, StoredEpisode

class Lines:
    kind = "lines"
    def __init__(self, name):
        self.name, self.notes = name, ["read line by line"]
        self._rows = np.loadtxt(name, skiprows=1)
    @staticmethod
    def recognises(path: Path) -> bool:
        return path.is_file() and path.read_bytes()[:6] == b"#lines"
    def files(self):
        return [Path(self.name)]
    def contents(self):
        return Contents(2, len(self._rows) - 2)
    def action_bounds(self):
        return np.array([-2.0]), np.array([2.0])
    def action_dim(self):
        return 1
    def episodes(self):
        for number, rows in enumerate(np.split(self._rows, 2)):
            yield StoredEpisode(number, rows[:, :3], rows[:-1, 3:])
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages with one that reads lines of text."""
    info = tmp_path / "site" / "spirl_lines-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spirl-lines\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[spirl.formats]\nlines = spirl_lines:Lines\n")
    (info.parent / "spirl_lines.py").write_text(READER)
    np.savetxt(tmp_path / "own.txt", np.random.default_rng(0).uniform(-1, 1, (40, 4)), header="lines", comments="#")
    return info.parent


def test_a_format_of_another_package_is_read(site: Path, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "env: {kind: gymnasium, id: Pendulum-v1, episode_length: 60}\nextract: {dataset: own.txt}\n"
    )
    path = f"{CHECKOUT}:{site}"
    done = run_spirl("extract", "own.yaml", "--json", cwd=tmp_path, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["steps"] == 38 and "read line by line" in done.stderr
    shown = run_spirl("inspect", "own.txt", "--json", cwd=tmp_path, PYTHONPATH=path)
    assert json.loads(shown.stdout)["format"] == "lines"
    without = run_spirl("inspect", "own.txt", cwd=tmp_path)
    assert without.returncode == 3 and "is no dataset that is read here" in without.stderr


def test_a_package_that_cannot_be_loaded_is_named(site: Path, tmp_path: Path) -> None:
    (site / "spirl_lines.py").write_text("raise RuntimeError('broken')")
    done = run_spirl("inspect", "own.txt", cwd=tmp_path, PYTHONPATH=f"{CHECKOUT}:{site}")
    assert done.returncode == 3 and "the format 'lines' of the package spirl_lines cannot be loaded" in done.stderr
