"""Renews the intervals of published rows from the episodes that are kept in `artifacts/reference/`.

`python -m benchmarks.intervals` replaces the interval of each row of which all episodes are kept and for which another
kind of interval than the bootstrap is right, for instance where all episodes succeed. Means stay. `make tables` then
renews the tables.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from benchmarks.publishing import RESULTS, publish
from spirl_cli.errors import ArtifactError
from spirl_cli.evaluation.aggregate import aggregate
from spirl_cli.evaluation.results import ResultRow, read_rows
from spirl_cli.payload import EVALUATION
from spirl_cli.store.store import Store

MOST_SEEDS = 3
EXACT = 1e-12


def main(arguments: Sequence[str] | None = None) -> int:
    """Renew the intervals, and print the rows that changed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.intervals", description=main.__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="list of published rows (default: %(default)s)")
    parser.add_argument("--artifacts", type=Path, default=RESULTS.parent, help="evaluations (default: %(default)s)")
    options = parser.parse_args(arguments)
    known = {row.identity: row for row in read_rows(options.results)}
    renewed = {}
    for row in _evaluated(Store(options.artifacts)):
        published = known.get(row.identity)
        if published is not None and _same_episodes(row, published) and _differs(row, published):
            renewed[row.identity] = replace(published, low=row.low, high=row.high, interval=row.interval)
    publish(options.results, renewed.values())
    for row in renewed.values():
        print(row.env, row.method, row.metric, row.policy, row.env_steps, f"{row.mean:.3f}", row.low, row.high)
    return 0


def _evaluated(store: Store) -> Iterator[ResultRow]:
    """Yield the rows of every evaluation, and of every set of evaluations that are seeds of one condition."""
    recipes = defaultdict(list)
    for artifact in store.artifacts(stage=EVALUATION):
        recipes[artifact.manifest.recipe].append(artifact)
    for evaluations in recipes.values():
        for count in range(1, MOST_SEEDS + 1):
            for chosen in combinations(evaluations, count):
                try:
                    yield from aggregate(chosen, command="")
                except ArtifactError:  # other conditions, or episodes in the form of earlier versions
                    continue


def _same_episodes(row: ResultRow, published: ResultRow) -> bool:
    counts = (row.seeds, row.episodes) == (published.seeds, published.episodes)
    return counts and abs(row.mean - published.mean) < EXACT


def _differs(row: ResultRow, published: ResultRow) -> bool:
    """Say whether the interval is of another kind than the bootstrap, which depends on the order of the seeds."""
    ends = abs(row.low - published.low) > EXACT or abs(row.high - published.high) > EXACT
    return ends and not (row.interval or "").endswith("episodes")


if __name__ == "__main__":
    raise SystemExit(main())
