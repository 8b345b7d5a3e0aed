"""Sizes, imports and references of spirl's code, compared with limits: `python -m benchmarks.house`.

Exit codes: 0 all limits are kept, 1 one is not, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import counts
from benchmarks.measurement import Measurement
from benchmarks.report import print_table

MEDIAN, P90, LONGEST = 6, 18, 45  # lines of a function
KNOWING_FILES, BRANCHES, DANGLING, CIRCLES = 3, 0, 0, 0
README_LINES, CELL = 150, 80
SHOWN = 5  # places in the table; --json prints all
ROOT = Path(__file__).resolve().parents[1]


def measure(root: Path) -> list[Measurement]:
    """Count everything in a checkout."""
    return [*_domain_measurements(root), *_function_measurements(root), *_prose_measurements(root)]


def _domain_measurements(root: Path) -> Iterable[Measurement]:
    names = counts.domain_names(root)
    outside = counts.outside_domains(root)
    knowing = [one.name for one in outside if counts.known_domains(one, names)]
    askers = [one for one in outside if not one.name.startswith(counts.DOMAINS)]
    branches = [str(place) for one in askers for place in counts.kind_branches(one, names)]
    known = counts.modules(root)
    graph = {name: counts.imports(one, known, at_import=True) & set(known) for name, one in known.items()}
    yield _count("files outside a domain's folder that know it by name", knowing, "files", KNOWING_FILES)
    yield _count("branches on the kind of environment outside domains/", branches, "places", BRANCHES)
    yield _count("import circles", [" ↔ ".join(circle) for circle in counts.circles(graph)], "circles", CIRCLES)


def _function_measurements(root: Path) -> Iterable[Measurement]:
    found = counts.functions(counts.modules(root).values())
    middle, p90 = (counts.percentile([one.lines for one in found], share) for share in (50, 90))
    too_long = [str(one) for one in found if one.lines > LONGEST]
    made_from = f"{len(found):,} functions"
    yield Measurement("lines of a function, median", middle, "lines", MEDIAN, "at most", made_from)
    yield Measurement("lines of a function, 90th percentile", p90, "lines", P90, "at most", made_from)
    parts = {"places": too_long}
    yield Measurement(
        "lines of the longest function", found[0].lines, "lines", LONGEST, "at most", _some(too_long), parts
    )


def _prose_measurements(root: Path) -> Iterable[Measurement]:
    readme = (root / "README.md").read_text(encoding="utf-8")
    dangling = [str(place) for place in counts.dangling_references(root)]
    cell = counts.longest_cell(readme)
    yield Measurement("lines of the README", len(readme.splitlines()), "lines", README_LINES, "at most")
    yield Measurement("longest cell of a table in the README", cell, "characters", CELL, "at most")
    yield _count("dangling references", dangling, "places", DANGLING)


def _count(name: str, places: Sequence[str], unit: str, limit: int) -> Measurement:
    return Measurement(name, len(places), unit, limit, "at most", _some(places), {"places": list(places)})


def _some(places: Sequence[str]) -> str:
    rest = len(places) - SHOWN
    return ", ".join(places[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.house", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout, with every place")
    options = parser.parse_args(arguments)
    measurements = measure(ROOT)
    passed = all(measurement.passed for measurement in measurements)
    if options.json:
        print(
            json.dumps({"figures": [measurement.as_json() for measurement in measurements], "passed": passed}, indent=2)
        )
    else:
        print_table(measurements, "spirl's own code")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
