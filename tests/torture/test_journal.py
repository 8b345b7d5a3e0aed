"""The journal of a power cut: which states of a folder are possible, and which are not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.torture.crashes import Kept, State, crash_states
from tests.support.commands import CHECKOUT, cli_environment

PROGRAM = """
import os, sys
from pathlib import Path
from benchmarks.torture import journal
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
noted = journal.Journal(folder, out)
journal.intercept(noted)
{body}
noted.moment("end")
"""
CAREFUL = """
from spirl_cli.files import write_whole
write_whole(folder / "file", b"new!")
"""
CARELESS = """
(folder / "other").write_bytes(b"new!")
os.replace(folder / "other", folder / "file")
"""
GROWING = """
with (folder / "log").open("ab") as file:
    file.write(b"first")
    file.flush()
    os.fsync(file.fileno())
    file.write(b"second")
"""


def states_of(body: str, tmp_path: Path) -> list[State]:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_bytes(b"old")
    command = [sys.executable, "-c", PROGRAM.format(body=body), str(folder), str(tmp_path / "out")]
    subprocess.run(command, cwd=CHECKOUT, env=cli_environment(), check=True)
    return list(crash_states(tmp_path / "out"))


def contents(states: list[State], name: str) -> set[bytes | None]:
    return {state.data().get(name) for state in states}


def test_what_is_synced_before_its_name_is_old_or_new(tmp_path: Path) -> None:
    states = states_of(CAREFUL, tmp_path)
    assert contents(states, "file") == {b"old", b"new!"}
    assert any(name.endswith(".tmp") for state in states for name in state.files)


def test_what_is_not_synced_may_be_torn(tmp_path: Path) -> None:
    assert contents(states_of(CARELESS, tmp_path), "file") == {b"old", b"new!", b"ne", b"", bytes(4)}


def test_what_was_synced_of_a_log_stays(tmp_path: Path) -> None:
    """The name may be lost, since the folder is never synced; the first part may not, once it is synced."""
    found = contents(states_of(GROWING, tmp_path), "log")
    late = {data for data in found if data is not None and len(data) > 5}
    assert late == {b"firstsecond", b"firstsec", b"first" + bytes(6)} and None in found


def test_a_state_is_written_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "digest").write_bytes(b"content")
    state = State("", ("empty", "deep"), {"deep/file": Kept(None, "digest", "half")}, tmp_path)
    state.write(tmp_path / "new")
    assert (tmp_path / "new/empty").is_dir() and (tmp_path / "new/deep/file").read_bytes() == b"con"
