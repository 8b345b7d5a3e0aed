"""The commands about sweeps: `spirl sweep RECIPE|FILE` and `spirl sweep status`."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from spirl_cli.cli import complete
from spirl_cli.cli.console import emit, emit_json, note
from spirl_cli.cli.options import ArtifactsOption, Device, JsonOption, ProfileOption, SetOption, TrackOption, takes
from spirl_cli.cli.requests import open_store
from spirl_cli.errors import SpirlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from spirl_cli.recipe.yaml_places import Node
    from spirl_cli.sweep.drive import MakeEngine, Sweep
    from spirl_cli.sweep.engine import Engine
    from spirl_cli.sweep.status import Status

DEFAULT_ROOT = Path("artifacts")
_WATCH_SECONDS = 2.0
_DEFAULT = "start"


class EngineChoice(StrEnum):
    """What runs the stages of a sweep."""

    local = "local"
    slurm = "slurm"
    ray = "ray"


class EmitChoice(StrEnum):
    """What is printed instead of run: a line per stage, or a line per cell."""

    lines = "lines"
    cells = "cells"


class SweepGroup(TyperGroup):
    """`spirl sweep RECIPE` is `spirl sweep start RECIPE`, unless the first word is another of its commands."""

    default = _DEFAULT

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command first."""
        if not args or args[0] not in self.commands:
            args = [self.default, *args]
        return super().parse_args(ctx, args)


@dataclass(frozen=True)
class SweepOptions:
    """What `spirl sweep start` takes."""

    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RECIPE|FILE", help="A recipe, several of them, or a study.", autocompletion=complete.recipes
        ),
    ] = None
    seeds: Annotated[str | None, typer.Option("--seeds", metavar="0-2", help="Seeds of the whole pipeline.")] = None
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", metavar="KEY=A,B", help="An axis: a key of the recipe and its values (repeatable)."),
    ] = None
    method: Annotated[str | None, typer.Option("--method", metavar="A,B", help="Methods, as an axis.")] = None
    profile: ProfileOption = None
    set_: SetOption = None
    name: Annotated[str | None, typer.Option("--name", help="Name of the sweep; default: the recipe's.")] = None
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Stages side by side on this machine.")] = 1
    engine: Annotated[EngineChoice, typer.Option("--engine", help="What runs the stages.")] = EngineChoice.local
    slurm: Annotated[
        list[str] | None,
        typer.Option("--slurm", metavar="KEY=VALUE,...", help="Options of sbatch: partition=gpu,time=4:00:00."),
    ] = None
    ray: Annotated[
        list[str] | None,
        typer.Option("--ray", metavar="KEY=VALUE,...", help="Cluster and needs of a task: address=auto,num_cpus=2."),
    ] = None
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="With Slurm: watch until all is done.")] = True
    emit: Annotated[
        EmitChoice | None, typer.Option("--emit", help="Print the command lines that are left, and run nothing.")
    ] = None
    device: Annotated[Device, typer.Option("--device", help="Where networks are trained.")] = Device.auto
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would run, and how long.")] = False
    artifacts: ArtifactsOption = DEFAULT_ROOT
    json: JsonOption = False
    track: TrackOption = None


@takes(SweepOptions)
def start(options: SweepOptions) -> None:
    """Run a recipe with several settings and seeds; `spirl sweep status` shows how far it is.

    A sweep is a list of ordinary command lines over one store: stages that cells share are made
    once, what is up to date is skipped, and the same command goes on after a stop. Prints the
    path of the sweep's folder. Exits with 1 when a cell failed.
    """
    from spirl_cli.cli.sweep_output import describe_status, print_dry_run, print_lines

    sweep = _sweep(options)
    if options.emit is not None:
        by_cell = options.emit is EmitChoice.cells
        print_lines(sweep.status(), sweep.cells, sweep.extra, by_cell=by_cell, as_json=options.json)
        return
    if options.dry_run:
        print_dry_run(sweep.status(), options.jobs, as_json=options.json)
        return
    status = sweep.run(_engine_maker(sweep.name, options), note)
    if options.json:
        emit_json(describe_status(sweep.folder.read(), sweep.folder, status))
    else:
        emit(str(sweep.folder.path))
    _raise_failures(sweep, status)


def status(
    name: Annotated[str | None, typer.Argument(help="Name of a sweep; default: the one started last.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again until nothing runs any more.")] = False,
    root: ArtifactsOption = DEFAULT_ROOT,
    as_json: JsonOption = False,
) -> None:
    """Show how far a sweep is: each cell, what failed and where its log is."""
    from spirl_cli.cli.sweep_output import describe_status, status_text
    from spirl_cli.store.locks import is_locked
    from spirl_cli.sweep.drive import recorded_status
    from spirl_cli.sweep.record import find_sweep

    store = open_store(root)
    folder = find_sweep(store.root, name)
    shown = ""
    while True:
        record, found = recorded_status(store, folder)
        text = status_text(record, folder, found)
        if not watch or not (found.in_state("running", "queued") or is_locked(folder.lock)):
            break
        if text != shown:
            _show(text)
        shown = text
        time.sleep(_WATCH_SECONDS)
    emit_json(describe_status(record, folder, found)) if as_json else emit(text)


def _tree(chosen: SweepOptions) -> tuple[Node, str]:
    """Return the tree of the study that was asked for, and its name."""
    from spirl_cli.recipe.folder import find_recipe, recipe_id
    from spirl_cli.recipe.layers import merge
    from spirl_cli.sweep.study import find_study, options_tree, study_tree

    what = chosen.what or []
    if not what:
        raise UsageError("Which recipe or study? None was named.", "for example: spirl sweep kitchen --seeds 0-2")
    studies = {word: path for word in what if (path := find_study(word)) is not None}
    if studies and len(what) > 1:
        raise UsageError(f"{next(iter(studies))} is a study: name it alone.", "its axes may hold several recipes")
    recipes = () if studies else what
    options = options_tree(
        recipes=recipes,
        profile=chosen.profile,
        methods=chosen.method,
        seeds=chosen.seeds,
        grid=chosen.grid or [],
        overrides=chosen.set_ or [],
    )
    for path in studies.values():
        return merge(study_tree(path), options), path.stem
    return options, "-".join(recipe_id(find_recipe(word)) for word in what)


def _sweep(options: SweepOptions) -> Sweep:
    from spirl_cli.sweep.cells import cells_of
    from spirl_cli.sweep.drive import Sweep
    from spirl_cli.sweep.record import sweep_folder
    from spirl_cli.sweep.study import read_study

    tree, default_name = _tree(options)
    name = options.name or default_name
    store = open_store(options.artifacts)
    extra = common_arguments(options.device, options.artifacts, options.track)
    study = read_study(tree)
    draw = [(drawing.against, drawing.metric) for drawing in study.draw]
    return Sweep(name, cells_of(study, tree), store, sweep_folder(store.root, name), extra, draw)


def common_arguments(device: Device, artifacts: Path, track: str | None = None) -> list[str]:
    """Return what every command of a sweep is given besides the words of its cell.

    Raises:
        UsageError: there is no such tracker.
    """
    from spirl_cli.store.store import default_root
    from spirl_cli.tracking.registry import tracker_names

    return [
        *(["--device", device.value] if device is not Device.auto else []),
        *(["--track", ",".join(names)] if (names := tracker_names(track)) else []),
        *(["--artifacts", str(artifacts)] if artifacts != default_root() else []),
    ]


def _engine_maker(name: str, options: SweepOptions) -> MakeEngine:
    given = {EngineChoice.slurm: _pairs(options.slurm or []), EngineChoice.ray: _pairs(options.ray or [])}
    for other, pairs in given.items():
        if pairs and options.engine is not other:
            raise UsageError(f"--{other} goes with --engine {other}.")

    def make(submitted: Mapping[str, str], remember: Callable[[dict[str, str]], None]) -> Engine:
        if options.engine is EngineChoice.slurm:
            from spirl_cli.sweep.slurm import SlurmEngine

            return SlurmEngine(name, given[EngineChoice.slurm], submitted, remember, wait=options.wait)
        if options.engine is EngineChoice.ray:
            from spirl_cli.sweep.ray import RayEngine

            return RayEngine(given[EngineChoice.ray])
        from spirl_cli.sweep.local import LocalEngine

        return LocalEngine(options.jobs)

    return make


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    """Read ``partition=gpu,time=4:00:00``; a key without a value is a switch such as ``exclusive``."""
    words = [word for text in texts for word in text.split(",") if word.strip()]
    pairs = [word.partition("=") for word in words]
    return {key.strip().lstrip("-"): value.strip() for key, _, value in pairs}


def _raise_failures(sweep: Sweep, status: Status) -> None:
    stuck = status.stuck_cells()
    if not stuck:
        return
    words = ("" if (state := status.cell_state(cell)) == "failed" else f" ({state})" for cell in stuck)
    names = "; ".join(f"{cell.label}{word}" for cell, word in zip(stuck, words, strict=True))
    logs = ", ".join(dict.fromkeys(str(sweep.folder.log(job)) for job in status.in_state("failed", "interrupted")))
    raise SpirlError(
        f"{len(stuck)} of {len(status.plan.cells)} cells failed: {names}.",
        f"{f'the logs: {logs}. ' if logs else ''}The same command tries them again",
    )


def _show(text: str) -> None:
    """Show a table on stderr, in the place of the last one where that is a terminal."""
    note(f"\033[2J\033[H{text}" if sys.stderr.isatty() else f"{text}\n")


COMMANDS: dict[str, Callable[..., None]] = {_DEFAULT: start, "status": status}
