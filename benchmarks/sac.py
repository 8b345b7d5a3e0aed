"""`python -m benchmarks.sac`: our soft actor-critic compared with that of stable-baselines3.

Both learn the same task with the same networks, batches, rates, seeds and steps, with one update per environment step.
They share one process and one thread, and take turns at every point of the curves. The return of the mean policy over
the same episodes judges both; these episodes cost no training time. The program needs stable-baselines3, which `make
bench-sac` installs.

Exit codes: 0 ours is as good and as fast; 1 it is not; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.publishing import publish
from benchmarks.sac_comparison import OURS, THEIRS, Comparison, Pair, Task
from benchmarks.sac_learners import Curve, learn_ours, learn_theirs, take_turns
from spirl_cli.errors import SpirlError, UsageError
from spirl_cli.files import make_folder, write_whole
from spirl_cli.monitor.reporter import Reporter, RichReporter
from spirl_cli.store.provenance import checkout_commit

Learner = Callable[[str, int, int, int, int], Iterator[Curve]]  # environment, steps, seed, evaluations, episodes

PROGRAM = "python -m benchmarks.sac"
TASKS = {task.env: task for task in (Task("Pendulum-v1", 20_000, 1, -200.0), Task("Hopper-v5", 100_000, 3))}
LEARNERS: dict[str, Learner] = {OURS: learn_ours, THEIRS: learn_theirs}


def compare(task: Task, evaluations: int, episodes: int, reporter: Reporter, kept: Path | None = None) -> Comparison:
    """Train both learners in turn, with every seed.

    Args:
        task: environment, steps and seeds.
        evaluations: number of points of a curve.
        episodes: number of episodes of each point.
        reporter: shows each run.
        kept: folder of finished pairs of runs, which are not repeated.
    """
    pairs = []
    for seed in range(task.seeds):
        path = None if kept is None else kept / f"{task.env}-{task.steps}-{evaluations}x{episodes}-seed{seed}.json"
        pair = None if path is None else _read(path, reporter)
        if pair is None:
            reporter.message(f"bench-sac: {task.env}, seed {seed}: {task.steps:,} steps of both")
            runs = (learn(task.env, task.steps, seed, evaluations, episodes) for learn in LEARNERS.values())
            ours, theirs = take_turns(*runs)
            pair = Pair(ours, theirs, checkout_commit())
            if path is not None:
                _write(path, pair)
        pairs.append(pair)
    return Comparison(task, pairs)


def _write(path: Path, pair: Pair) -> None:
    make_folder(path.parent)
    write_whole(path, (json.dumps(asdict(pair)) + "\n").encode())


def _read(path: Path, reporter: Reporter) -> Pair | None:
    """Return a finished pair, if there is one; warn if another version of this program made it."""
    if not path.exists():
        return None
    pair = Pair.from_json(json.loads(path.read_text(encoding="utf-8")))
    if pair.commit != checkout_commit():
        reporter.warn(f"{path} is of commit {pair.commit}, not of this one; delete it to repeat the runs")
    return pair


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print, and return the exit code."""
    options = _parser().parse_args(arguments)
    reporter = RichReporter()
    try:
        if importlib.util.find_spec("stable_baselines3") is None:
            raise UsageError("stable-baselines3 is not installed", "in a checkout: pip install -e '.[bench]'")
        comparisons = [
            compare(task, options.evaluations, options.episodes, reporter, options.keep) for task in _tasks(options)
        ]
        if options.results:
            command = f"{PROGRAM} {shlex.join(sys.argv[1:] if arguments is None else arguments)}"
            rows = [row for one in comparisons for row in one.rows(command)]
            publish(options.results, rows)
    except SpirlError as error:
        reporter.warn("\n".join(filter(None, [error.message, error.hint])))
        return error.exit_code
    if options.json:
        print(json.dumps([comparison.as_json() for comparison in comparisons], indent=2))
    else:
        print("\n\n".join("\n".join(comparison.lines()) for comparison in comparisons))
    return 0 if all(comparison.passed for comparison in comparisons) else 1


def _tasks(options: argparse.Namespace) -> list[Task]:
    tasks = [TASKS[options.env]] if options.env else list(TASKS.values())
    return [Task(task.env, options.steps or task.steps, options.seeds or task.seeds, task.goal) for task in tasks]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__.splitlines()[0])
    parser.add_argument("--env", choices=tuple(TASKS), help="one task instead of all")
    parser.add_argument("--steps", type=_count, metavar="N", help="environment steps of each run")
    parser.add_argument("--seeds", type=_count, metavar="N", help="seeds of each task")
    parser.add_argument("--evaluations", type=_count, default=10, metavar="N", help="points of a curve (default: 10)")
    parser.add_argument("--episodes", type=_count, default=10, metavar="N", help="episodes of each (default: 10)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="of finished pairs of runs, which are not repeated")
    parser.add_argument("--results", type=Path, metavar="FILE", help="list of published rows to add to")
    parser.add_argument("--json", action="store_true", help="print one JSON value on stdout instead of tables")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


if __name__ == "__main__":
    sys.exit(main())
