"""A short run of what `make torture` does at length."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.torture.answers import ANSWERS, Surprise, Tally, answer
from benchmarks.torture.fuzz import KINDS, fuzz


@pytest.mark.parametrize("kind", KINDS)
def test_random_inputs_get_an_answer(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))  # put back afterwards
    (tmp_path / "work").mkdir()
    tally = fuzz(kind, 25, tmp_path, start=0)
    assert tally.cases >= 25 and {*tally.codes} <= {*ANSWERS}


def test_a_surprise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(file: str) -> list[str]:
        raise RuntimeError("not foreseen")

    monkeypatch.setattr("spirl_cli.recipe.library.check_recipe", fail)
    with pytest.raises(Surprise, match="not foreseen"):
        answer(["recipe", "check", "kitchen"], Tally())
