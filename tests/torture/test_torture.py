"""Short versions of what `make torture` does at length, and that each of them notices what is wrong."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.torture import flips
from benchmarks.torture.kills import torment
from benchmarks.torture.lab import Fault, Lab, Row, open_lab
from benchmarks.torture.power import cut_all, record
from benchmarks.torture.sharing import share_all
from benchmarks.torture.table import show
from spirl_cli.payload import AGENT, CLIPS, PRIOR, SKILLS
from tests.support.commands import CHECKOUT, cli_environment

# they take minutes, and `make torture` does more of the same
pytestmark = pytest.mark.skipif("SPIRL_TORTURE" not in os.environ, reason="SPIRL_TORTURE=1 runs them")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    with open_lab(tmp_path_factory.mktemp("lab")) as made:
        yield made


def require_none(row: Row) -> None:
    assert not row.faults, "\n".join(row.faults)


@pytest.mark.slow
def test_killed_runs_end_with_the_same_bits(lab: Lab) -> None:
    row = torment(lab, 8)
    require_none(row)
    assert row.counts["resumed and identical"] >= 8


@pytest.mark.slow
@pytest.mark.parametrize("stage", [CLIPS, SKILLS, AGENT])
def test_power_cuts_are_survived(stage: str, lab: Lab) -> None:
    row = cut_all(lab, 3, seed=1, stages=[stage])
    require_none(row)
    assert row.counts["states tried"] == 3 < row.counts["possible states"]


@pytest.mark.slow
def test_flipped_bits_are_found(lab: Lab) -> None:
    done, runs = flips.flip_all(lab, 1, stages=[PRIOR])
    require_none(done)
    require_none(runs)
    assert done.counts["found by verify"] == done.counts["flips"] and runs.counts["flips"] >= 5


@pytest.mark.slow
def test_a_full_disk_says_what_is_needed() -> None:
    command = [sys.executable, "-m", "benchmarks.torture.disk", "--places", "2", "--stages", CLIPS, SKILLS]
    done = subprocess.run(command, cwd=CHECKOUT, env=cli_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "refused with what is full and what is needed" in done.stdout


@pytest.mark.slow
def test_what_is_shared_is_made_once(lab: Lab) -> None:
    require_none(share_all(lab, [2], stages=[SKILLS]))


@pytest.mark.slow
def test_a_wrong_result_is_a_fault(lab: Lab) -> None:
    """With a result that is not the undisturbed one, kills and power cuts have to be faults."""
    wanted = lab.results[PRIOR]
    lab.results[PRIOR] = {**wanted, "metrics": {}}
    try:
        assert torment(lab, 1, stages=[PRIOR]).faults
        assert len(record(lab, PRIOR)) > 100
        assert cut_all(lab, 1, stages=[PRIOR]).faults
    finally:
        lab.results[PRIOR] = wanted


def test_a_flip_changes_one_bit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    flips.flip(path, random.Random(0))
    assert sum(byte.bit_count() for byte in path.read_bytes()) == 1


def test_the_table_names_faults_and_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = Row("kills")
    row.add("resumed", 3)
    assert show([row]) == 0
    with row.case("a case"):
        raise Fault("lost")
    assert "FAULT in kills: a case: lost" in capsys.readouterr().err
    assert show([row], tmp_path / "table.json") == 1
    assert "1 faults" in capsys.readouterr().out
    [written] = json.loads((tmp_path / "table.json").read_text())
    assert written["counts"] == {"resumed": 3} and written["faults"] == ["a case: lost"]
