"""Under which circumstances an artifact is made: package versions, machine, commit.

Provenance, not identity: when it differs from today's, spirl says so and reruns nothing.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from spirl_cli.store.diff import Difference, differences
from spirl_cli.store.manifest import Machine

PACKAGES = ("torch", "mujoco", "gymnasium", "gymnasium-robotics", "minari", "numpy", "spirl")


def installed_packages() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on; absent ones are left out."""
    from importlib import metadata

    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def package_drift(packages: Mapping[str, str]) -> list[Difference]:
    """Compare the versions in a manifest (left) with those that are installed now (right)."""
    return differences(packages, installed_packages())


def machine() -> Machine:
    """Return the processor's name and the number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return Machine(_processor(), cores)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"


def checkout_folder() -> Path | None:
    """Root of the git checkout that this package runs from, None for an installed package."""
    folder = Path(__file__).resolve().parents[2]
    return folder if (folder / ".git").exists() else None


def checkout_commit() -> str | None:
    """Commit of the checkout, with `-dirty` when tracked files were changed; None elsewhere."""
    import subprocess

    folder = checkout_folder()
    if folder is None:
        return None
    command = ["git", "--no-optional-locks", "-C", str(folder), "describe"]
    command += ["--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None  # no git, no commit yet, or git refuses this folder
    return answer.stdout.strip() or None


def command_line() -> list[str]:
    """Return the command as a person would type it: `spirl` and its arguments."""
    return ["spirl", *sys.argv[1:]]
