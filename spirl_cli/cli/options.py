"""The options that commands share, declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar, get_type_hints

import typer

from spirl_cli.cli import complete
from spirl_cli.payload import AGENT, CLIPS, EVALUATION, PRIOR, SKILLS

P = ParamSpec("P")
OptionsType = TypeVar("OptionsType")


class Device(StrEnum):
    """Where networks are trained."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class SaveFormat(StrEnum):
    """A format that episodes are written in."""

    minari = "minari"
    robomimic = "robomimic"
    lerobot = "lerobot"


class StageName(StrEnum):
    """The stages, by the names of their artifacts."""

    clips = CLIPS
    skills = SKILLS
    prior = PRIOR
    agent = AGENT
    evaluation = EVALUATION


ArtifactsOption = Annotated[
    Path, typer.Option("--artifacts", envvar="SPIRL_ARTIFACTS", help="Folder of the artifacts.", metavar="DIR")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the recipe (repeatable; VALUE is YAML)."),
]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="Profile of the recipe, such as quick.")
]
MethodOption = Annotated[
    str | None,
    typer.Option(
        "--method",
        metavar="NAME",
        help="spirl, flat-prior, no-prior, ... on top of the recipe.",
        autocompletion=complete.methods,
    ),
]
ReferenceArgument = Annotated[
    str,
    typer.Argument(
        metavar="REF", help="kitchen/skills, kitchen/skills@v3 or a path.", autocompletion=complete.references()
    ),
]


def reference_option(stage: str) -> Any:
    """Return the option that gives the artifact of one stage explicitly."""
    return typer.Option(
        f"--{stage}",
        metavar="REF",
        help=f"The {stage} to use, instead of what the recipe plans.",
        autocompletion=complete.references(stage),
    )


ClipsOption = Annotated[str | None, reference_option(CLIPS)]
SkillsOption = Annotated[str | None, reference_option(SKILLS)]
PriorOption = Annotated[str | None, reference_option(PRIOR)]
AgentOption = Annotated[str | None, reference_option(AGENT)]


StepOption = Annotated[
    str | None,
    typer.Option(
        "--step", metavar="N|best", help="Evaluate only the weights kept at this step, or those of the best episodes."
    ),
]
TrustOption = Annotated[
    list[str] | None,
    typer.Option("--trust-module", metavar="NAME", help="Import this module if the artifact asks for it."),
]

TrackOption = Annotated[
    str | None,
    typer.Option(
        "--track", envvar="SPIRL_TRACK", metavar="NAME,...", help="Follow runs in tensorboard, wandb, mlflow, trackio."
    ),
]


@dataclass(frozen=True)
class StageOptions:
    """What every command that runs stages takes."""

    recipe: Annotated[
        str | None,
        typer.Argument(metavar="RECIPE", help="Name or path of a recipe.", autocompletion=complete.recipes),
    ] = None
    recipe_option: Annotated[
        str | None,
        typer.Option("--recipe", metavar="RECIPE", help="The same, as an option.", autocompletion=complete.recipes),
    ] = None
    profile: ProfileOption = None
    method: MethodOption = None
    set_: SetOption = None
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of this stage (with run: of all).")] = None
    device: Annotated[Device, typer.Option("--device", help="Where networks are trained.")] = Device.auto
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would run, and why.")] = False
    force: Annotated[bool, typer.Option("--force", help="Run although it is up to date.")] = False
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Continue an unfinished run.")] = True
    artifacts: ArtifactsOption = Path("artifacts")
    json: JsonOption = False
    track: TrackOption = None


def takes(
    options: type[OptionsType],
) -> Callable[[Callable[Concatenate[OptionsType, P], None]], Callable[..., None]]:
    """Give a command the options of a dataclass, which it gets as its first argument.

    Typer reads a function's signature, so this builds one: the fields of the dataclass, then
    the command's own parameters.
    """

    def decorate(command: Callable[Concatenate[OptionsType, P], None]) -> Callable[..., None]:
        shared_types = get_type_hints(options, include_extras=True)
        own_types = get_type_hints(command, include_extras=True)
        _first, *own = inspect.signature(command).parameters.values()
        shared = [
            inspect.Parameter(
                one.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if one.default is MISSING else one.default,
                annotation=shared_types[one.name],
            )
            for one in fields(options)  # type: ignore[arg-type]
        ]
        own = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=own_types[one.name]) for one in own]

        @wraps(command)
        def wrapper(**values: Any) -> None:
            mine = {one.name: values.pop(one.name) for one in own}
            command(options(**values), **mine)  # type: ignore[call-arg]

        # the recipe stays the only positional parameter; a command's own options come first in its help
        parameters = [*shared[:1], *own, *shared[1:]]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {one.name: one.annotation for one in parameters}
        return wrapper

    return decorate
