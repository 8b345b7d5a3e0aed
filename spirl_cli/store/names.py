"""How artifacts are named: stages, folders and references such as `kitchen/skills@v3`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from spirl_cli.errors import UsageError, did_you_mean
from spirl_cli.payload import STAGE_NAMES
from spirl_cli.printable import is_printable

MANIFEST = "manifest.json"
QUICK_PROFILE = "quick"

_VERSION_FOLDER = re.compile(r"v([0-9]{3,9})-([0-9a-f]{12})")
_RUN_FOLDER = re.compile(r"run-([0-9a-f]{12})")
_REFERENCE = re.compile(r"([^/\\@:]+)/([^/\\@:]+?)(?:@v?([0-9]{1,9}))?")
_RECIPE = re.compile(r"[^\W_][^/\\@:]*")
SWEEPS = "sweeps"  # artifacts/sweeps/ holds the records and logs of sweeps
# artifacts/reference/ holds the artifacts that ship with a checkout
RESERVED = {"reference": "the artifacts of the repository", SWEEPS: "the records of sweeps"}


@dataclass(frozen=True)
class Reference:
    """A parsed `recipe/stage` or `recipe/stage@vN`; `version` is None for the newest."""

    recipe: str
    stage: str
    version: int | None = None

    def __str__(self) -> str:
        suffix = "" if self.version is None else f"@v{self.version}"
        return f"{self.recipe}/{self.stage}{suffix}"


def parse_reference(text: str) -> Reference | None:
    """Parse `recipe/stage[@vN]`; None when the text has another form or names no stage."""
    match = _REFERENCE.fullmatch(text)
    if match is None or match[2] not in STAGE_NAMES:
        return None
    return Reference(match[1], match[2], None if match[3] is None else int(match[3]))


def version_folder(version: int, fingerprint: str) -> str:
    """Name of an artifact's folder, `v003-0123456789ab`."""
    return f"v{version:03d}-{fingerprint}"


def parse_version_folder(name: str) -> tuple[int, str] | None:
    """Return the (version, fingerprint) of an artifact's folder name, None for any other name."""
    match = _VERSION_FOLDER.fullmatch(name)
    return None if match is None else (int(match[1]), match[2])


def run_folder(fingerprint: str) -> str:
    """Name of the folder of a run in progress, `run-0123456789ab`."""
    return f"run-{fingerprint}"


def parse_run_folder(name: str) -> str | None:
    """Return the fingerprint in a run folder's name, None for any other name."""
    match = _RUN_FOLDER.fullmatch(name)
    return None if match is None else match[1]


def recipe_problem(recipe: str) -> str | None:
    """Say why a recipe's id cannot be a folder name and part of a reference; None: it can."""
    if not _RECIPE.fullmatch(recipe) or not is_printable(recipe):
        return (
            "cannot name a folder of artifacts: it has to start with a letter or digit and must not contain "
            "/ \\ @ : or control characters"
        )
    if recipe in RESERVED:
        return f"cannot name a recipe: that folder is kept for {RESERVED[recipe]}"
    return None


def check_recipe(recipe: str) -> None:
    """Raise UsageError when a recipe's id cannot be a folder name and part of a reference."""
    if problem := recipe_problem(recipe):
        raise UsageError(f"'{recipe}' {problem}", hint="rename the recipe's file")


def check_stage(stage: str) -> None:
    """Raise UsageError, with a did-you-mean, when there is no such stage."""
    if stage not in STAGE_NAMES:
        raise UsageError(
            f"'{stage}' is not a stage.{did_you_mean(stage, STAGE_NAMES)}",
            hint=f"the stages are {', '.join(STAGE_NAMES)}",
        )
