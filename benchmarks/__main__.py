"""``python -m benchmarks [skills|rl|maze|blocks|memory] [--seconds S] [--json]``.

Exit codes: 0 all limits are kept, 1 one is not or could not be judged on a busy machine, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.figure import Figure
from spirl_cli.errors import SpirlError
from spirl_cli.monitor.reporter import Reporter, RichReporter
from spirl_cli.store.provenance import machine

NAMES = ("skills", "rl", "maze", "blocks", "memory")
SECONDS = 60.0
PLAIN_WIDTH = 160


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    options = _parser().parse_args(arguments)
    reporter = RichReporter()
    figures: list[Figure] = []
    try:
        for name in [options.name] if options.name else NAMES:
            figures += benchmark(name)(options.seconds, reporter)
    except SpirlError as error:
        reporter.warn("\n".join(filter(None, [error.message, error.hint])))
        return error.exit_code
    if options.json:
        print(json.dumps(report(figures), indent=2))
    else:
        _print_table(figures)
    return 0 if all(figure.passed for figure in figures) else 1


def benchmark(name: str) -> Callable[[float, Reporter], list[Figure]]:
    """Return the measurement of this name; torch and the simulator are imported only now."""
    from benchmarks import blocks, maze, memory, rl, skills

    if name == "skills":
        return skills.measure
    if name == "rl":
        return rl.measure
    if name == "maze":
        return maze.measure
    if name == "blocks":
        return blocks.measure
    return lambda seconds, reporter: memory.measure()  # counts, so that it needs no time


def report(figures: Sequence[Figure]) -> dict[str, object]:
    """All figures, and the machine that they hold for, as plain data."""
    here = machine()
    return {
        "figures": [figure.as_json() for figure in figures],
        "passed": all(figure.passed for figure in figures),
        "machine": {"processor": here.processor, "cores": here.cores, "load": _load()},
    }


def _print_table(figures: Sequence[Figure]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    here = machine()
    title = f"{here.processor}, {here.cores} cores, load {_load():.1f}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in ("figure", "measured", "limit", "", "made from"):
        table.add_column(column, overflow="fold")
    for figure in figures:
        verdict = "[green]pass[/]" if figure.passed else "[red]disturbed[/]" if figure.disturbed else "[red]FAIL[/]"
        limit = f"{figure.bound} {figure.limit:g}"
        table.add_row(figure.name, f"{figure.value:.3g} {figure.unit}", limit, verdict, figure.detail)
    console.print(table)


def _load() -> float:
    """Return how many processes wanted to run in the last minute: if more than cores, others disturbed."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what spirl costs.")
    parser.add_argument("name", nargs="?", choices=NAMES, help="one of them instead of all")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout instead of a table")
    parser.add_argument(
        "--seconds", type=_positive, default=SECONDS, metavar="S", help="measure each for about so long (default: 60)"
    )
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of seconds")
    return value


if __name__ == "__main__":
    sys.exit(main())
