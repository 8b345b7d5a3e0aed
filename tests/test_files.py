"""Files that must survive are written whole, and nowhere but through `spirl_cli.files`."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import spirl_cli
from spirl_cli import files
from spirl_cli.files import copy_whole, files_below, make_folder, publish_folder, write_whole, written_whole

REPOSITORY = Path(spirl_cli.__file__).parents[1]
# what may be lost: who holds a lock, rows that only this process reads; and what must not replace a user's file
EPHEMERAL = {"spirl_cli/store/locks.py", "spirl_cli/clips/writer.py", "spirl_cli/recipe/library.py"}
# grow line by line, and are synced before a checkpoint is; stderr
STREAMS = {"spirl_cli/monitor/metrics.py", "spirl_cli/monitor/events.py", "spirl_cli/monitor/streams.py"}
# files in folders of their own that are damaged on purpose, and the calls that are watched
TORTURE = {f"benchmarks/torture/{name}.py" for name in ("crashes", "disk", "flips", "journal", "lab", "sharing")}
STORES = {"benchmarks/many_artifacts.py"}  # thousands of artifacts that are measured once
LOGS = {"spirl_cli/sweep/local.py", "spirl_cli/sweep/ray.py"}  # what commands of a sweep say


class Disk:
    """Notes, in order, what is synced and which names appear."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[tuple[str, str]] = []
        self.replace = os.replace
        self.sync = files.sync
        monkeypatch.setattr(files, "sync", self._sync)
        monkeypatch.setattr(files.os, "replace", self._replace)

    def _sync(self, path: Path) -> None:
        self.sync(path)
        self.events.append(("sync", str(path)))

    def _replace(self, source: Any, destination: Any) -> None:
        self.replace(source, destination)
        self.events.append(("name", str(source)))
        self.events.append(("appears", str(destination)))

    def place(self, kind: str, path: Path) -> int:
        return self.events.index((kind, str(path)))

    def appeared_after_its_content(self, path: Path) -> bool:
        """Whether the name took effect after the content was synced, and was synced itself."""
        appears = self.place("appears", path)
        temporary = self.events[appears - 1][1]
        return self.events.index(("sync", temporary)) < appears < self.events.index(("sync", str(path.parent)), appears)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_content_is_on_disk_before_its_name(tmp_path: Path, disk: Disk) -> None:
    write_whole(tmp_path / "file", b"content")
    copy_whole(tmp_path / "file", tmp_path / "deep" / "copy")
    assert (tmp_path / "deep" / "copy").read_bytes() == b"content"
    assert disk.appeared_after_its_content(tmp_path / "file")
    assert disk.appeared_after_its_content(tmp_path / "deep" / "copy")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"old")
    with pytest.raises(RuntimeError), written_whole(tmp_path / "file") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_every_folder_on_the_way_is_on_disk(tmp_path: Path, disk: Disk) -> None:
    make_folder(tmp_path / "a" / "b" / "c")
    made = [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    assert disk.events == [("sync", str(folder)) for folder in made]
    make_folder(tmp_path / "a" / "b")
    assert len(disk.events) == 3


def test_all_of_a_folder_is_on_disk_before_it_gets_its_name(tmp_path: Path, disk: Disk) -> None:
    staging, final = tmp_path / "staging", tmp_path / "final"
    (staging / "deep").mkdir(parents=True)
    (staging / "deep" / "file").write_bytes(b"content")
    publish_folder(staging, final)
    appears = disk.place("appears", final)
    for path in (staging, staging / "deep", staging / "deep" / "file"):
        assert disk.place("sync", path) < appears
    assert disk.place("sync", tmp_path) > appears
    assert (final / "deep" / "file").read_bytes() == b"content"


def test_what_a_killed_process_left_half_written_is_never_published(tmp_path: Path) -> None:
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / ".policy-5.safetensors.7.tmp").write_bytes(b"half")
    (tmp_path / "snapshots" / "policy-5.safetensors").write_bytes(b"whole")
    assert [path.name for path in files_below(tmp_path, ["snapshots"])] == ["policy-5.safetensors"]


def test_no_other_module_renames_or_writes_files_by_hand() -> None:
    found = {f"{name}:{line}" for name, line in _by_hand() if name != "spirl_cli/files.py"}
    assert found == set()


def test_the_search_for_writes_by_hand_finds_those_of_the_one_module() -> None:
    assert {name for name, _ in _by_hand()} == {"spirl_cli/files.py"}


@pytest.mark.parametrize(
    ("text", "by_hand"),
    [
        ("os.replace(a, b)", True),
        ("path.replace(target)", True),
        ("path.rename(target)", True),
        ("text.replace('a', 'b')", False),
        ("path.write_text(text)", True),
        ("temporary.write_bytes(data)", False),
        ("path.open('w')", True),
        ("path.open(newline='')", False),
        ("open(path, mode='ab')", True),
        ("open(path)", False),
        ("h5py.File(path, 'w')", True),
        ("h5py.File(path, 'r')", False),
        ("h5py.File(temporary, 'w')", False),
    ],
)
def test_writes_by_hand_are_told_from_others(text: str, by_hand: bool) -> None:
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    assert (_renames(call) or _writes(call)) == by_hand


def _by_hand() -> Iterator[tuple[str, int]]:
    """Yield (module, line) of every rename, and of every write that `written_whole` does not guard."""
    for path in sorted([*REPOSITORY.glob("spirl_cli/**/*.py"), *REPOSITORY.glob("benchmarks/**/*.py")]):
        name = path.relative_to(REPOSITORY).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (
                (_renames(node) and name not in TORTURE)
                or (_writes(node) and name not in EPHEMERAL | STREAMS | LOGS | STORES | TORTURE)
            ):
                yield name, node.lineno


def _renames(call: ast.Call) -> bool:
    """`os.replace`, `os.rename`, `shutil.move`, `Path.rename`, and `Path.replace` (one argument, unlike text's)."""
    if not isinstance(call.func, ast.Attribute):
        return False
    if isinstance(call.func.value, ast.Name) and call.func.value.id in ("os", "shutil"):
        return call.func.attr in ("replace", "rename", "renames", "move")
    return call.func.attr == "rename" or (call.func.attr == "replace" and len(call.args) == 1)


def _writes(call: ast.Call) -> bool:
    """A file opened for writing, or written in one go, other than the `temporary` of `written_whole`."""
    if isinstance(call.func, ast.Name):
        return call.func.id == "open" and _opens_to_write(call.args[1:], call)
    if not isinstance(call.func, ast.Attribute) or ast.unparse(call.func.value) == "temporary":
        return False
    if call.func.attr in ("write_text", "write_bytes"):
        return True
    if call.func.attr == "File" and ast.unparse(call.args[0]) != "temporary":
        return _opens_to_write(call.args[1:], call)  # h5py
    return call.func.attr == "open" and _opens_to_write(call.args[:1], call)


def _opens_to_write(arguments: list[ast.expr], call: ast.Call) -> bool:
    modes = [*arguments[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    return any(isinstance(mode, ast.Constant) and set(str(mode.value)) & set("wax") for mode in modes)
