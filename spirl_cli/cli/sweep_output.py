"""What the commands about sweeps print."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spirl_cli.cli.console import columns, duration, emit, emit_json, metrics_line, note
from spirl_cli.payload import STAGE_NAMES
from spirl_cli.sweep.drive import describer
from spirl_cli.sweep.engine import shown_command
from spirl_cli.sweep.estimate import Timings, wall_seconds
from spirl_cli.sweep.jobs import Job, waves

if TYPE_CHECKING:
    from spirl_cli.sweep.cells import Cell
    from spirl_cli.sweep.jobs import SweepCell
    from spirl_cli.sweep.record import Record, SweepFolder
    from spirl_cli.sweep.status import Status


def print_lines(status: Status, cells: Sequence[Cell], extra: Sequence[str], *, by_cell: bool, as_json: bool) -> None:
    """Print the command lines that are left: of stages in an order in which they can run, or of cells."""
    left = status.left()
    grouped = waves(left)
    if as_json:
        emit_json([_line(job, wave) for wave, jobs in enumerate(grouped) for job in jobs])
    elif not left:
        note("everything is up to date")
    elif by_cell:
        unfinished = [cell for cell, planned in zip(cells, status.plan.cells, strict=True) if _is_left(planned, status)]
        emit("\n".join(shlex.join(["spirl", "run", *cell.words, *extra]) for cell in unfinished))
        note("these lines may run side by side: of lines that need the same stage one makes it and the others wait")
    else:
        emit("\n".join(shown_command(job) for jobs in grouped for job in jobs))
        note(f"in this order one after the other; side by side only within: {_ranges(grouped)}")


def print_dry_run(status: Status, workers: int, *, as_json: bool) -> None:
    """Print which stages are left and how long they will take."""
    left = status.left()
    timings = Timings(status.inventory.artifacts())
    seconds = {job.key: timings.seconds(job) for job in left}
    if as_json:
        emit_json(_described_plan(status, seconds, workers))
        return
    name = describer(status.plan)
    rows = [[job.stage, status.states[job.key], _time(seconds[job.key]), name(job)] for job in left]
    if rows:
        emit(columns(("STAGE", "STATE", "TIME", "COMMAND"), rows) + "\n")
    emit(columns(("STAGE", "PLANNED", "UP TO DATE", "LEFT", "TIME"), _totals(status, seconds)))
    note(_summary(status, seconds, workers))


def status_text(record: Record, folder: SweepFolder, status: Status) -> str:
    """Write the table of cells, and what failed with its log."""
    rows = [_cell_row(cell, status) for cell in status.plan.cells]
    counts = ", ".join(f"{number} {state}" for state, number in status.counts().items())
    lines = [
        f"{record.name}: {len(rows)} cells: {counts}",
        "",
        columns(("CELL", "SEED", *(stage.upper() for stage in STAGE_NAMES), "METRICS"), rows),
    ]
    name = describer(status.plan)
    failed = [
        f"{status.states[job.key]}: {name(job)}{_task(job, record)}: {folder.log(job)}"
        for job in status.in_state("failed", "interrupted")
    ]
    active = [f"{status.states[job.key]}: {name(job)}{_task(job, record)}" for job in status.in_state("running")]
    blocks = [block for block in (active, failed) if block]
    if any(status.states[job.key] not in ("running", "queued") for job in status.left()):
        blocks.append([f"to go on, in {record.folder}: {_typed(record.command)}"])
    return "\n".join([*lines, *(line for block in blocks for line in ["", *block])])


def describe_status(record: Record, folder: SweepFolder, status: Status) -> dict[str, Any]:
    """Return a sweep as ``--json`` shows it."""
    labels = status.plan.labels()
    codes = folder.exit_codes()
    jobs = [
        {
            **_job(job, status, labels[job.key]),
            "exit_code": codes.get(job.key),
            "log": str(folder.log(job)),
            "slurm": record.submitted.get(job.key),
        }
        for job in status.plan.jobs.values()
    ]
    return {
        "name": record.name,
        "path": str(folder.path),
        "command": record.command,
        "folder": record.folder,
        "updated": record.updated,
        "counts": dict(status.counts()),
        "cells": [_cell(cell, status) for cell in status.plan.cells],
        "jobs": jobs,
    }


def _described_plan(status: Status, seconds: Mapping[str, float | None], workers: int) -> dict[str, Any]:
    labels = status.plan.labels()
    known = {key: value or 0.0 for key, value in seconds.items()}
    return {
        "cells": [_cell(cell, status) for cell in status.plan.cells],
        "jobs": [
            {**_job(job, status, labels[job.key]), "seconds": seconds.get(job.key)} for job in status.plan.jobs.values()
        ],
        "left": len(seconds),
        "unknown": sum(value is None for value in seconds.values()),
        "seconds": wall_seconds(status.left(), known, workers),
    }


def _job(job: Job, status: Status, labels: Sequence[str]) -> dict[str, Any]:
    artifact = status.artifacts.get(job.key)
    return {
        "key": job.key,
        "stage": job.stage,
        "state": status.states[job.key],
        "command": shown_command(job),
        "needs": list(job.needs),
        "cells": list(labels),
        "fingerprint": job.fingerprint,
        "artifact": artifact.reference if artifact is not None else None,
        "path": str(artifact.path) if artifact is not None else None,
    }


def _cell(cell: SweepCell, status: Status) -> dict[str, Any]:
    last = status.artifacts.get(list(cell.jobs.values())[-1])
    return {
        "cell": cell.name,
        "seed": cell.seed,
        "recipe": cell.recipe,
        "method": cell.method,
        "state": status.cell_state(cell),
        "jobs": cell.jobs,
        "artifact": last.reference if last is not None else None,
        "metrics": last.manifest.metrics if last is not None else {},
    }


def _cell_row(cell: SweepCell, status: Status) -> list[str]:
    states = [status.states[cell.jobs[stage]] if stage in cell.jobs else "-" for stage in STAGE_NAMES]
    last = status.artifacts.get(list(cell.jobs.values())[-1])
    metrics = metrics_line(last.manifest.metrics, limit=2) if last is not None else ""
    return [cell.name, "-" if cell.seed is None else str(cell.seed), *states, metrics]


def _line(job: Job, wave: int) -> dict[str, Any]:
    return {"key": job.key, "command": shown_command(job), "needs": list(job.needs), "wave": wave}


def _is_left(cell: SweepCell, status: Status) -> bool:
    return status.cell_state(cell) != "done"


def _ranges(grouped: Iterable[Sequence[Job]]) -> str:
    """Write which lines form each group: ``1-3, 4-9``."""
    texts, first = [], 1
    for jobs in grouped:
        last = first + len(jobs) - 1
        texts.append(f"lines {first}-{last}" if len(jobs) > 1 else f"line {first}")
        first = last + 1
    return ", ".join(texts)


def _totals(status: Status, seconds: Mapping[str, float | None]) -> list[list[str]]:
    rows = []
    for stage in STAGE_NAMES:
        jobs = [job for job in status.plan.jobs.values() if job.stage == stage]
        left = [job for job in jobs if job.key in seconds]
        if jobs:
            done = sum(status.states[job.key] == "done" for job in jobs)
            rows.append([stage, str(len(jobs)), str(done), str(len(left)), _sum(left, seconds)])
    return rows


def _sum(jobs: Sequence[Job], seconds: Mapping[str, float | None]) -> str:
    if not jobs:
        return "-"
    known = [value for job in jobs if (value := seconds[job.key]) is not None]
    unknown = len(jobs) - len(known)
    return " + ".join([*([duration(sum(known))] if known else []), *([f"{unknown} unknown"] if unknown else [])])


def _summary(status: Status, seconds: Mapping[str, float | None], workers: int) -> str:
    if not seconds:
        return f"{len(status.plan.cells)} cells, everything is up to date"
    unknown = sum(value is None for value in seconds.values())
    known = {key: value or 0.0 for key, value in seconds.items()}
    text = f"{len(status.plan.cells)} cells, {len(seconds)} of {len(status.plan.jobs)} stages left"
    if unknown == len(seconds):
        return f"{text}; how long they take is unknown: the store has nothing of this recipe and profile yet"
    side = "one after the other" if workers == 1 else f"{workers} side by side"
    more = f", besides {unknown} whose time is unknown" if unknown else ""
    return f"{text}: about {duration(wall_seconds(status.left(), known, workers))} {side}{more}"


def _time(seconds: float | None) -> str:
    return "unknown" if seconds is None else duration(seconds)


def _task(job: Job, record: Record) -> str:
    task = record.submitted.get(job.key)
    return f" (Slurm {task})" if task is not None else ""


def _typed(command: Sequence[str]) -> str:
    return shlex.join(command)
