"""The difference between two evaluations, pair by pair where episodes begin alike."""

from __future__ import annotations

import json

import pytest

from spirl_cli.evaluation.compare import compare
from spirl_cli.evaluation.episodes import EpisodeResult, PolicyEpisodes, write_episodes
from spirl_cli.evaluation.results import Provenance, result_rows, write_results
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.support.agent_data import pendulum_recipe
from tests.support.commands import Workspace

ENV = pendulum_recipe(env={"success_key": "success"}).env


def evaluation(store: Store, returns: list[float], steps: int = 1000, seed: int = 0) -> Artifact:
    """An evaluation whose episodes have these returns, and succeed if they are positive."""
    results = [EpisodeResult(at, value, 22, {"success": float(value > 0)}) for at, value in enumerate(returns)]
    groups = [PolicyEpisodes("spirl", "sampled", steps, tuple(results))]
    with open_run(store, "pendulum", "evaluation", f"{len(store.artifacts()):012x}") as run:
        rows = result_rows(groups, ENV, Provenance(None, None, ""), resamples=100, seed=0)
        write_episodes(run.folder / "episodes.csv", groups)
        write_results(run.folder / "results.json", rows, groups, resamples=100, seed=0)
        return run.commit(
            stage_version=1,
            parameters={"env": ENV.model_dump(mode="json")},
            inputs={},
            seed=seed,
            keep=("episodes.csv", "results.json"),
            extra={"method": "spirl"},
        )


def test_pairs_that_differ_alike_have_a_narrow_difference(store: Store) -> None:
    spread = [float(number) for number in range(-20, 20)]
    left, right = evaluation(store, spread), evaluation(store, [value + 1 + 0.1 * (value % 2) for value in spread])
    success, found = compare(left, right)
    assert found.paired and found.episodes == (40, 40)
    assert found.difference.mean == pytest.approx(1.05) and found.difference.low > 1.0 and found.difference.high < 1.1
    assert success.metric == "success" and success.difference.mean == pytest.approx(2 / 40)
    assert "(paired)" in str(found) and found.path == "metrics.return/sampled"


def test_other_starts_are_not_paired(store: Store) -> None:
    left, right = evaluation(store, [1.0] * 4), evaluation(store, [-1.0] * 4, seed=1)
    success, returns = compare(left, right)
    assert not success.paired and success.difference.mean == -1.0
    assert -1.0 <= success.difference.low < success.difference.high < 0.0  # Newcombe's, not [-1, -1]
    assert returns.difference.interval.startswith("unknown")


def test_the_last_weights_of_either_are_compared_whatever_their_steps(store: Store) -> None:
    (found, *_) = compare(evaluation(store, [1.0, -1.0]), evaluation(store, [1.0, 2.0], steps=2000))
    assert (found.left_steps, found.right_steps) == (1000, 2000) and "1,000 → 2,000 steps" in str(found)


def test_the_command_shows_metrics_below_the_parameters(swing: Workspace) -> None:
    reference = ("swing/evaluation@v1", "swing/evaluation@v1")
    lines = swing.spirl("diff", *reference).stdout.splitlines()
    assert lines[0].startswith("return/sampled at 600 steps: -") and lines[0].endswith("(paired)")
    (first, *_) = json.loads(swing.spirl("diff", *reference, "--json").stdout)
    assert first["path"] == "metrics.return/sampled" and first["difference"]["mean"] == 0.0
