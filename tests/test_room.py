"""A full disk: what is said, whoever notices it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from spirl_cli.cli.app import run
from spirl_cli.files import write_whole
from spirl_cli.room import DiskFullError, room_for

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
BY_HDF5 = RuntimeError("Unable to flush (file write failed: ..., errno = 28, error message = 'No space left')")


@pytest.mark.parametrize("error", [FULL, BY_HDF5])
def test_what_is_full_and_how_much_is_needed_is_said(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(DiskFullError) as said, room_for(tmp_path / "deep" / "file", 5 * 10**18):
        raise error
    assert f"the disk of {tmp_path} is full: file needs 5000000000.0 GB" in said.value.message
    assert (
        "make room for 5000000000.0 GB and for what comes after it, then run the same command again" in said.value.hint
    )
    assert said.value.exit_code == 1


def test_what_is_needed_is_more_than_is_free_where_it_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match=r"file needs more than [\d.]+ .B, and there are [\d.]+ .B"):
        with room_for(tmp_path / "file"):
            raise FULL


def test_a_limit_and_a_quota_are_told_from_a_full_disk(tmp_path: Path) -> None:
    for number, words in ((errno.EFBIG, "may not be that large"), (errno.EDQUOT, "quota")):
        with pytest.raises(DiskFullError, match=words), room_for(tmp_path / "file"):
            raise OSError(number, os.strerror(number))


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), room_for(tmp_path / "file"):
        raise PermissionError(errno.EACCES, "no")


def test_the_old_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "file", b"old")

    def full(descriptor: int) -> None:
        raise FULL

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError):
        write_whole(tmp_path / "file", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


def test_any_command_says_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(*_: object) -> None:
        raise FULL

    monkeypatch.setattr("spirl_cli.recipe.library.check_recipe", full)
    assert run(["recipe", "check", "kitchen"]) == 1
    said = capsys.readouterr().err
    assert "is full" in said and "unexpected" not in said and "hint: make room" in said
