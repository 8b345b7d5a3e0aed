"""The commands that make artifacts: the five stages, and all of them in a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from spirl_cli.cli.options import (
    AgentOption,
    ClipsOption,
    PriorOption,
    SaveFormat,
    SkillsOption,
    StageOptions,
    StepOption,
    TrustOption,
    takes,
)
from spirl_cli.errors import UsageError
from spirl_cli.payload import AGENT, BEST, CLIPS, PRIOR, SKILLS, STAGE_NAMES

if TYPE_CHECKING:
    from spirl_cli.demos.saving.target import Format


class PolicyChoice(StrEnum):
    """Which action of a policy is taken: a sample, the mean, or each in turn."""

    sampled = "sampled"
    mean = "mean"
    both = "both"


@takes(StageOptions)
def extract(options: StageOptions) -> None:
    """Trajectories → clips for training.

    Selects the observations that the recipe names, splits by episodes and stores every step
    once. Prints the path of the artifact.
    """
    _one(CLIPS, "extract", options, {})


@takes(StageOptions)
def train_skills(options: StageOptions, clips: ClipsOption = None) -> None:
    """Clips → skill encoder and decoder."""
    _one(SKILLS, "train_skills", options, {CLIPS: clips})


@takes(StageOptions)
def train_prior(options: StageOptions, clips: ClipsOption = None, skills: SkillsOption = None) -> None:
    """Clips and skills → skill prior: which skill suits which state."""
    _one(PRIOR, "train_prior", options, {CLIPS: clips, SKILLS: skills})


@takes(StageOptions)
def train_rl(options: StageOptions, skills: SkillsOption = None, prior: PriorOption = None) -> None:
    """Skills and prior → agent that acts in skills.

    Raising train_rl.steps continues from a finished shorter run.
    """
    _one(AGENT, "train_rl", options, {SKILLS: skills, PRIOR: prior})


@dataclass(frozen=True)
class EvaluationOptions(StageOptions):
    """What `spirl evaluate` takes."""

    agent: AgentOption = None
    step: StepOption = None
    prior_only: Annotated[
        bool, typer.Option("--prior-only", help="Evaluate the prior as the policy: no agent is needed.")
    ] = False
    skills: SkillsOption = None
    prior: PriorOption = None
    episodes: Annotated[int | None, typer.Option("--episodes", min=1, metavar="N", help="Episodes per policy.")] = None
    policy: Annotated[PolicyChoice | None, typer.Option("--policy", help="Which action of the policy to take.")] = None
    save_dataset: Annotated[
        str | None,
        typer.Option("--save-dataset", metavar="ID|FILE", help="Also write the episodes as a dataset."),
    ] = None
    save_format: Annotated[
        SaveFormat | None,
        typer.Option("--save-format", help="Of --save-dataset; default: robomimic for *.hdf5, else minari."),
    ] = None
    video: Annotated[bool, typer.Option("--video/--no-video", help="Record the first episodes.")] = True
    trust_module: TrustOption = None

    def overrides(self) -> list[str]:
        """Return what the options say in the words of `--set`."""
        return [
            *([f"evaluate.episodes={self.episodes}"] if self.episodes is not None else []),
            *([f"evaluate.policies=[{_policies(self.policy)}]"] if self.policy is not None else []),
            *([] if self.video else ["evaluate.video_episodes=0"]),
        ]


@takes(EvaluationOptions)
def evaluate(options: EvaluationOptions) -> None:
    """Agent → numbers, figures and videos.

    Without a recipe and --agent: the newest agent, else the reference one of a checkout.
    """
    from spirl_cli.cli.evaluate import evaluation_request
    from spirl_cli.cli.requests import execute_one
    from spirl_cli.stages.context import EvaluateOptions

    of_prior, of_agent = (options.skills, options.prior), (options.agent, options.step)
    if options.prior_only and of_agent != (None, None):
        raise UsageError("--prior-only evaluates no agent, so --agent and --step do not go with it.")
    if not options.prior_only and of_prior != (None, None):
        raise UsageError("an agent brings its own skills: --skills and --prior go with --prior-only.")
    asked = _with_overrides(options, "evaluate", options.overrides())
    request = evaluation_request(
        asked,
        {SKILLS: options.skills, PRIOR: options.prior, AGENT: options.agent},
        prior_only=options.prior_only,
        chosen=EvaluateOptions(_step(options.step), options.save_dataset, _plain(options.save_format)),
        trusted=options.trust_module or (),
    )
    execute_one(request, asked)


@takes(StageOptions)
def run(
    options: StageOptions, clips: ClipsOption = None, skills: SkillsOption = None, prior: PriorOption = None
) -> None:
    """All stages in a row; what is up to date is skipped."""
    from spirl_cli.cli.requests import execute_all, load, open_store, recipe_arguments, resolve
    from spirl_cli.pipeline.graph import STAGES
    from spirl_cli.pipeline.plan import Request

    store = open_store(options.artifacts)
    given = resolve({CLIPS: clips, SKILLS: skills, PRIOR: prior}, store)
    force = frozenset(STAGE_NAMES) if options.force else frozenset()
    recipe = load(options, seed=options.seed)
    execute_all(Request(recipe, store, STAGES[-1], given, force, named=recipe_arguments(options)), options)


def _plain(format: SaveFormat | None) -> Format | None:
    return None if format is None else format.value


def _step(text: str | None) -> int | str | None:
    """Read `--step`."""
    if text is None or text == BEST:
        return text
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"--step {text}: this is no number of environment steps", f"write a number, or {BEST}")
    return int(text)


def _policies(policy: PolicyChoice) -> str:
    return "sampled, mean" if policy is PolicyChoice.both else policy.value


def _with_overrides(options: StageOptions, section: str, overrides: list[str]) -> StageOptions:
    """Put what options of a command say in the words of `--set`; `--seed` is that of its section."""
    seed = [f"{section}.seed={options.seed}"] if options.seed is not None else []
    return replace(options, set_=[*(options.set_ or []), *overrides, *seed])


def _one(name: str, section: str, options: StageOptions, given: Mapping[str, str | None]) -> None:
    from spirl_cli.cli.requests import execute_one, load, open_store, recipe_arguments, resolve
    from spirl_cli.pipeline.graph import stage
    from spirl_cli.pipeline.plan import Request

    recipe = load(_with_overrides(options, section, []))
    store = open_store(options.artifacts)
    force = frozenset({name}) if options.force else frozenset()
    request = Request(recipe, store, stage(name), resolve(given, store), force, named=recipe_arguments(options))
    execute_one(request, options)
