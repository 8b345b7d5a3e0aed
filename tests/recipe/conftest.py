"""Fixtures for tests of recipes: files in a folder of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from spirl_cli.recipe import folder
from tests.support.recipe_data import KITCHEN, Write


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a file of the working folder and returns its (relative) path."""
    monkeypatch.chdir(tmp_path)

    def write_file(name: str, text: str) -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def kitchen(write: Write) -> Path:
    """Write a recipe to inherit from, and return its path."""
    return write("base.yaml", KITCHEN)


@pytest.fixture
def packaged(write: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packaged recipes: kitchen, and paper/kitchen which inherits from it."""
    write("pack/kitchen.yaml", KITCHEN)
    child = '# As published.\nextends: "../kitchen.yaml"  # and changes\ntrain_skills: {horizon: 5}\n'
    write("pack/paper/kitchen.yaml", child)
    root = Path("pack").resolve()
    monkeypatch.setattr(folder, "recipe_folder", lambda: root)
    return root
