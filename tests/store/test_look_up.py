"""The user's own store first, then the reference artifacts of a checkout: one way for all commands."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

import spirl_cli
from spirl_cli.errors import ArtifactError
from spirl_cli.inference.agent import find_agent
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store, look_up
from tests.support.agent_data import make_agent, pendulum_recipe

Look = Callable[[Store], Artifact | None]
RESOLVE: Look = lambda store: store.resolve("pendulum/agent", stage="agent")  # noqa: E731
NEWEST: Look = lambda store: store.newest(stage="agent")  # noqa: E731


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store, which the environment names too."""
    monkeypatch.setenv("SPIRL_ARTIFACTS", str(tmp_path / "own"))
    return Store(tmp_path / "own")


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The reference artifacts."""
    store = Store(tmp_path / "reference")
    monkeypatch.setattr("spirl_cli.store.store.reference_store", lambda: store)
    return store


@pytest.mark.parametrize("look", [RESOLVE, NEWEST])
def test_the_own_artifact_wins(look: Look, own: Store, shipped: Store) -> None:
    recipe = pendulum_recipe()
    mine = make_agent(own, recipe)
    make_agent(shipped, recipe, fingerprint="b" * 12)
    assert look_up(own, look) == mine


@pytest.mark.parametrize("look", [RESOLVE, NEWEST])
def test_the_reference_artifact_is_taken_where_there_is_none(look: Look, own: Store, shipped: Store) -> None:
    reference = make_agent(shipped, pendulum_recipe())
    assert look_up(own, look) == reference
    assert find_agent("pendulum/agent") == reference


def test_the_own_store_is_blamed_where_neither_has_it(own: Store, shipped: Store) -> None:
    with pytest.raises(ArtifactError, match=str(own.root)):
        look_up(own, RESOLVE)
    assert look_up(own, NEWEST) is None


def test_a_store_that_is_named_has_no_fallback(own: Store, shipped: Store) -> None:
    make_agent(shipped, pendulum_recipe())
    with pytest.raises(ArtifactError):
        find_agent("pendulum/agent", own)


def test_outside_a_checkout_there_is_only_the_own_store(own: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spirl_cli.store.store.reference_store", lambda: None)
    assert look_up(own, NEWEST) is None
    with pytest.raises(ArtifactError, match="no artifact 'pendulum/agent'"):
        find_agent("pendulum/agent")


def test_no_other_module_asks_for_the_reference_store() -> None:
    asking = {
        path.name
        for path in Path(spirl_cli.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("reference_store")
    }
    assert asking == {"store.py"}
