"""Fixtures for tests of the command line: a small recipe and a small store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli_data import TINY, make_artifact


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Write a recipe that takes seconds, and return its path."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with clips and two versions of skills made from them."""
    root = tmp_path / "artifacts"
    clips = make_artifact(root, "clips")
    make_artifact(root, "skills", {"clips": clips.as_input()}, beta=0.1)
    make_artifact(root, "skills", {"clips": clips.as_input()}, beta=0.2)
    return root
