"""Fixtures for tests of evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest

from spirl_cli.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty store."""
    return Store(tmp_path / "artifacts")
