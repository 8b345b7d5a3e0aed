"""`spirl doctor`: what is installed, what renders, which datasets can be reached."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from spirl_cli.cli.console import emit, emit_json
from spirl_cli.cli.options import ArtifactsOption, JsonOption
from spirl_cli.cli.requests import open_store
from spirl_cli.errors import SpirlError


def doctor(root: ArtifactsOption = Path("artifacts"), as_json: JsonOption = False) -> None:
    """Check packages, rendering and datasets.

    Exits with 1 when a package is missing or of the wrong version.
    """
    store = open_store(root)
    packages, wrong = _packages()
    found = {
        "python": sys.version.split()[0],
        "packages": packages,
        "problems": wrong,
        "processor": _processor(),
        "cuda": _cuda(),
        "rendering": _rendering(),
        "domains": _domains(),
        "datasets": _datasets(),
        "artifacts": str(root),
        "artifact_count": len(store.artifacts()),
    }
    if as_json:
        emit_json(found)
    else:
        emit("\n".join(_lines(found)))
    if wrong:
        raise SpirlError("; ".join(wrong) + ".", "pip install --upgrade spirl, in an environment of its own")


def _packages() -> tuple[dict[str, str | None], list[str]]:
    """Return the installed version of each requirement, and what does not satisfy it."""
    from importlib import metadata

    from packaging.requirements import Requirement

    versions: dict[str, str | None] = {}
    wrong = []
    for text in metadata.requires("spirl") or []:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = _version(requirement.name)
        versions[requirement.name] = version
        if version is None:
            wrong.append(f"{requirement.name} is not installed")
        elif not requirement.specifier.contains(version.split("+")[0], prereleases=True):
            wrong.append(f"{requirement.name} is {version}, but {requirement.specifier} is needed")
    return versions, wrong


def _version(name: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    from spirl_cli.store.provenance import machine

    return f"{machine().processor}, {machine().cores} cores"


def _cuda() -> str | None:
    try:
        import torch
    except ImportError:
        return None
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _rendering() -> str | None:
    from spirl_cli.evaluation.rendering import probe_rendering

    return probe_rendering()


def _domains() -> list[str]:
    from spirl_cli.domains.registry import kinds

    return list(kinds())


def _datasets() -> dict[str, Any]:
    """Return the Minari datasets on this machine, and the folder where they are looked for."""
    from spirl_cli.demos.formats.minari import datasets_folder, local_datasets

    return {"folder": str(datasets_folder()), "local": local_datasets()}


def _lines(found: dict[str, Any]) -> list[str]:
    packages = [f"{name} {version or 'MISSING'}" for name, version in found["packages"].items()]
    local = found["datasets"]["local"]
    return [
        f"python     {found['python']}",
        f"packages   {', '.join(packages)}",
        f"processor  {found['processor']}",
        f"cuda       {found['cuda'] or 'none (training runs on the processor)'}",
        f"rendering  {found['rendering'] or 'none: videos need EGL or OSMesa, such as the system package libosmesa6'}",
        f"domains    {', '.join(found['domains'])}",
        f"datasets   {', '.join(local) or 'none'} in {found['datasets']['folder']}",
        f"artifacts  {found['artifact_count']} in {found['artifacts']}",
    ]
