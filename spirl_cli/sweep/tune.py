"""Search for good values of a recipe with Optuna: a trial is a cell, and its runs are ordinary artifacts.

Processes share a study by its journal, a file. A trial whose process has died is tried again with the same values, and
goes on where its run was. Trials are pruned at the steps of `train_rl.snapshots`: a run is trained up to there,
evaluated, and continued only if it is worth it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage, journal
from optuna.trial import Trial, TrialState

from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.recipe.yaml_places import Place, parse_value
from spirl_cli.store.locks import hold, is_locked
from spirl_cli.sweep.cells import Cell, as_yaml
from spirl_cli.sweep.engine import Work
from spirl_cli.sweep.inventory import Inventory
from spirl_cli.sweep.jobs import plan_cells
from spirl_cli.sweep.local import LocalEngine
from spirl_cli.sweep.record import SweepFolder
from spirl_cli.sweep.status import Status, status_of

if TYPE_CHECKING:
    from spirl_cli.store.store import Store

_RANGE = re.compile(r"(.+?)\.\.(.+?)(:log)?")
_AGAIN = "again"  # number of the trial that died and that this one goes on with
ARTIFACT = "artifact"  # reference of the last evaluation of a trial
_UNPRUNED = 3  # complete trials before any is pruned


def read_search(text: str) -> tuple[str, BaseDistribution]:
    """Read `KEY=1..20`, `KEY=1e-4..1e-2:log` or `KEY=A,B,C`; two whole numbers make a range of whole numbers.

    Raises:
        UsageError: it is none of these.
    """
    place = Place(f"--search {text}")
    key, equals, values = (part.strip() for part in text.partition("="))
    if not equals or not key or not values:
        raise UsageError(f"{place}: expected KEY=LOW..HIGH or KEY=A,B.", "For example train_rl.discount=0.9..0.99.")
    ends = _RANGE.fullmatch(values)
    if ends is None:
        return key, CategoricalDistribution(parse_value(f"[{values}]", place).plain())
    low, high = (parse_value(end, place).value for end in ends.groups()[:2])
    kind = IntDistribution if isinstance(low, int) and isinstance(high, int) else FloatDistribution
    try:
        return key, kind(low, high, log=ends[3] is not None)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{place}: {error}") from None


@dataclass(frozen=True)
class Tuning:
    """A search that is about to go on.

    Attributes:
        cell: what all trials have in common.
        space: what is searched, by key of the recipe.
        store: where artifacts are.
        folder: of the search, with journal, logs and locks.
        metric: headline metric of the evaluation to judge by; None takes the first one.
        direction: `maximize` or `minimize`.
        extra: arguments that every command takes.
        say: tells the user something.
    """

    cell: Cell
    space: Mapping[str, BaseDistribution]
    store: Store
    folder: SweepFolder
    metric: str | None
    direction: str
    extra: Sequence[str]
    say: Callable[[str], None]

    def study(self) -> optuna.Study:
        """Open the study, which is made if there is none."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder.create()
        return optuna.create_study(
            study_name=self.folder.path.name,
            storage=JournalStorage(journal.JournalFileBackend(str(self.folder.path / "journal.log"))),
            direction=self.direction,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED),
            load_if_exists=True,
        )

    def run(self, trials: int) -> optuna.Study:
        """Try values until the study has so many trials, those of other processes included.

        Raises:
            Interrupted: SIGINT or SIGTERM arrived; the same command goes on.
        """
        study = self.study()
        while True:
            with ExitStack() as held:
                trial = self._next(study, trials, held)
                if trial is None:
                    return study
                self._try(study, trial)

    def _next(self, study: optuna.Study, trials: int, held: ExitStack) -> Trial | None:
        """Return the next trial, whose lock is then held; None when there are enough."""
        with hold(self.folder.path / ".journal.lock", "the study", wait=True):
            for dead in study.get_trials(states=(TrialState.RUNNING,)):
                if not is_locked(self._lock(dead.number)):
                    study.tell(dead.number, state=TrialState.FAIL)
                    study.enqueue_trial(dead.params, user_attrs={_AGAIN: dead.number})
            known = study.get_trials()
            waiting = any(one.state is TrialState.WAITING for one in known)
            if not waiting and sum(_AGAIN not in one.user_attrs for one in known) >= trials:
                return None
            seed = 1000 * (self.cell.seed or 0) + len(known)  # the same trials make the same next one
            study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
            trial = study.ask(dict(self.space))
            held.enter_context(hold(self._lock(trial.number), f"trial {trial.number}", wait=False))
            return trial

    def _try(self, study: optuna.Study, trial: Trial) -> None:
        """Run a trial up to each snapshot, and to its end if it is worth it."""
        self.say(f"trial {trial.number}: {' '.join(overrides_of(trial.params))}")
        try:
            section = self._cell(trial.params).load().train_rl
            steps = [*sorted(step for step in section.snapshots if step < section.steps), section.steps]
            for number, step in enumerate(steps, 1):
                value, artifact = self._value(self._cell(trial.params, step, last=number == len(steps)))
                trial.set_user_attr(ARTIFACT, artifact)
                trial.report(value, step)
                self.say(f"trial {trial.number}: {value:.4g} at {step:,} steps")
                if number < len(steps) and trial.should_prune():
                    study.tell(trial, state=TrialState.PRUNED)
                    self.say(f"trial {trial.number}: pruned")
                    return
            study.tell(trial, value)
        except (UsageError, ArtifactError) as error:
            study.tell(trial, state=TrialState.FAIL)
            self.say(f"trial {trial.number} failed: {error.message}")

    def _cell(self, params: Mapping[str, Any], step: int | None = None, *, last: bool = True) -> Cell:
        """Return the cell of a trial, trained up to a step; before the last one only the end is evaluated."""
        words = overrides_of(params)
        words += [] if last else [f"train_rl.steps={step}", "evaluate.snapshots=false", "evaluate.video_episodes=0"]
        return replace(self.cell, overrides=(*self.cell.overrides, *words))

    def _value(self, cell: Cell) -> tuple[float, str]:
        """Make the evaluation of a cell; returns its metric and its reference.

        Raises:
            ArtifactError: a stage failed.
            UsageError: it has no such metric.
        """
        status = self._status(cell)
        if left := status.left():
            LocalEngine(1).run(Work(left, self.folder, lambda text: None, lambda job: job.arguments[0]))
            status = self._status(cell)
        made = status.artifacts.get(list(status.plan.jobs)[-1])
        if made is None:
            logs = ", ".join(str(self.folder.log(job)) for job in status.in_state("failed", "interrupted"))
            raise ArtifactError(f"it has no result: see {logs}")
        name = self.metric or next(iter(made.manifest.metrics))
        if name not in made.manifest.metrics:
            raise UsageError(f"{made.reference} has no metric '{name}'.", f"it has {', '.join(made.manifest.metrics)}")
        return made.manifest.metrics[name], made.reference

    def _status(self, cell: Cell) -> Status:
        inventory = Inventory(self.store.root)
        return status_of(plan_cells([cell], inventory, self.extra), inventory, self.folder)

    def _lock(self, number: int) -> Path:
        return self.folder.path / f".trial-{number}.lock"


def overrides_of(params: Mapping[str, Any]) -> list[str]:
    """Return the values of a trial as after `--set`."""
    return [f"{key}={as_yaml(value)}" for key, value in params.items()]
