"""All of `spirl_cli.inference` works where torch and the simulators are not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import spirl_cli.inference
from tests.support.commands import cli_environment

AGENT = sorted((Path(__file__).resolve().parents[2] / "artifacts" / "reference").glob("*/agent/v*"))
MODULES = sorted(
    path.stem for path in Path(spirl_cli.inference.__file__).parent.glob("*.py") if path.stem != "__init__"
)
HEAVY = ("torch", "mujoco", "gymnasium", "minari", "h5py", "matplotlib", "pandas")


def heavy_modules_after(code: str) -> list[str]:
    """Run code in a new process and return which heavy packages it imported."""
    listing = f"import sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    command = [sys.executable, "-c", f"{code}\n{listing}"]
    result = subprocess.run(command, env=cli_environment(), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_all_modules_are_known() -> None:
    assert {"agent", "decoders", "densities", "mlp", "network_file", "perception", "policies"} <= set(MODULES)


def test_importing_all_of_them_imports_nothing_heavy() -> None:
    assert heavy_modules_after("\n".join(f"import spirl_cli.inference.{module}" for module in MODULES)) == []


@pytest.mark.skipif(not AGENT, reason="a checkout without reference artifacts")
def test_a_reference_agent_acts_without_them() -> None:
    code = (
        "import numpy as np; from spirl_cli import load_agent\n"
        f"agent = load_agent({str(AGENT[-1])!r})\n"
        "agent.reset(batch=2)\n"
        "assert np.isfinite(agent.act(np.zeros((2, agent.size)))).all()"
    )
    assert heavy_modules_after(code) == []
