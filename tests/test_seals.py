"""Seals: checksums beside files."""

from __future__ import annotations

from pathlib import Path

import pytest

from spirl_cli.files import files_below
from spirl_cli.seals import break_seal, remove_sealed, seal, seal_of, seal_problem, seal_problems, write_sealed


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_sealed(path, b"content")
    assert seal_problem(path) is None and seal_problems(tmp_path) == {}
    for damaged in (path, seal_of(path)):
        whole = damaged.read_bytes()
        for byte in range(len(whole)):
            data = bytearray(whole)
            data[byte] ^= 1 << byte % 8
            damaged.write_bytes(data)
            assert "is damaged" in (seal_problem(path) or ""), data
        damaged.write_bytes(whole)


@pytest.mark.parametrize("data", [b"", b"conten", b"Content"])
def test_a_shortened_or_changed_file_is_found(data: bytes, tmp_path: Path) -> None:
    write_sealed(tmp_path / "file", b"content")
    (tmp_path / "file").write_bytes(data)
    assert list(seal_problems(tmp_path)) == [tmp_path / "file"]


def test_a_log_may_grow(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"one")
    seal(log)
    log.write_bytes(b"one, two")
    assert seal_problem(log) is None
    log.write_bytes(b"two, one")
    assert seal_problem(log)


def test_no_file_and_no_seal_are_no_damage(tmp_path: Path) -> None:
    write_sealed(tmp_path / "file", b"content")
    (tmp_path / "file").unlink()
    assert seal_problems(tmp_path) == {}
    (tmp_path / "other").write_bytes(b"unsealed")
    assert seal_problem(tmp_path / "other") is None


def test_seals_are_no_payload_and_go_with_their_files(tmp_path: Path) -> None:
    write_sealed(tmp_path / "file", b"content")
    (tmp_path / "deep").mkdir()
    write_sealed(tmp_path / "deep" / "file", b"content")
    assert [path.name for path in files_below(tmp_path, ["deep"])] == ["file"]
    remove_sealed(tmp_path / "file")
    break_seal(tmp_path / "deep" / "file")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "deep" / "file"]
