"""Fixtures for looking at datasets: commands within this process, since most of them take less than its start."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from spirl_cli.cli.app import run
from tests.support.commands import RunCli


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunCli:
    """Return ``command(*arguments)``, which runs a command line of spirl here, in the folder `tmp_path`."""
    monkeypatch.chdir(tmp_path)

    def run_here(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run_here
