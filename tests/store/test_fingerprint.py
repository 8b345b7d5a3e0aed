"""Fingerprints and checksums: what determines the content, and nothing else."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path

import pytest

from spirl_cli.store.diff import differences
from spirl_cli.store.fingerprint import canonical, fingerprint, sha256_file


def test_fingerprint_depends_on_everything_that_determines_the_content() -> None:
    base = fingerprint("skills", 1, {"horizon": 10}, {"clips": "a" * 12})
    others = [
        fingerprint("prior", 1, {"horizon": 10}, {"clips": "a" * 12}),
        fingerprint("skills", 2, {"horizon": 10}, {"clips": "a" * 12}),
        fingerprint("skills", 1, {"horizon": 5}, {"clips": "a" * 12}),
        fingerprint("skills", 1, {"horizon": 10}, {"clips": "b" * 12}),
        fingerprint("skills", 1, {"horizon": True}, {"clips": "a" * 12}),
    ]
    assert len({base, *others}) == 6
    assert len(base) == 12 and int(base, 16) >= 0


def test_fingerprint_ignores_order_and_the_spelling_of_numbers() -> None:
    first = fingerprint("skills", 1, {"beta": 1, "nested": {"a": 0.0, "b": (1, 2)}}, {})
    second = fingerprint("skills", 1, {"nested": {"b": [1.0, 2], "a": -0.0}, "beta": 1.0}, {})
    assert first == second


def test_fingerprint_never_changes_between_releases() -> None:
    parameters = {"beta": 5e-4, "model": "closed-loop", "schedule": None, "bounds": [-1.0, math.inf]}
    assert fingerprint("skills", 1, parameters, {"clips": "0" * 12}) == "03f008303d53"


def test_an_option_that_is_off_leaves_the_fingerprint_alone() -> None:
    before = {"train_prior": {"width": 128}}
    off = {"train_prior": {"width": 128, "image": None}}
    on = {"train_prior": {"width": 128, "image": {"size": 32}}}
    assert fingerprint("prior", 1, before, {}) == fingerprint("prior", 1, off, {})
    assert fingerprint("prior", 1, on, {}) != fingerprint("prior", 1, off, {})
    assert differences(before, off) == []
    assert [str(difference) for difference in differences(off, on)] == ["train_prior.image.size: absent → 32"]


def test_a_value_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="Path"):
        canonical({"dataset": Path("x")})


def test_checksum_of_a_file_longer_than_one_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * (1 << 20) + b"b")
    expected = (
        subprocess.run(["sha256sum", path], capture_output=True, text=True) if shutil.which("sha256sum") else None
    )
    assert expected is None or expected.stdout.split()[0] == sha256_file(path)
