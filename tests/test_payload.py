"""Names of stages and of the files in artifacts: what users rely on, written in one module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import spirl_cli
from spirl_cli import payload

REPOSITORY = Path(spirl_cli.__file__).parents[1]
NAMES = {value for name, value in vars(payload).items() if name.endswith(("_FILE", "_FOLDER"))}
NUMBERED = re.compile(r"(^|/)(checkpoint|replay|policy)-")
# the same words with another meaning, by module
OTHERS = {
    ("spirl_cli/pipeline/shorter.py", "snapshots"): "key of a recipe",
    ("spirl_cli/inspection/draft.py", "snapshots"): "key of a recipe",
    ("spirl_cli/demos/formats/lerobot.py", "videos"): "folder of a LeRobot dataset",
    ("spirl_cli/demos/formats/lerobot_video.py", "videos"): "folder of a LeRobot dataset",
    ("spirl_cli/store/manifest_file.py", "finished"): "field of a manifest",
    ("spirl_cli/cli/artifacts.py", "finished"): "field of a manifest",
    ("spirl_cli/rl/loop.py", "finished"): "part of a checkpoint",
    ("spirl_cli/evaluation/naming.py", "prior"): "choice in a recipe, name of a method",
    ("spirl_cli/recipe/sections/rl.py", "prior"): "choice in a recipe",
    ("spirl_cli/recipe/schema.py", "prior"): "choice in a recipe",
    ("spirl_cli/rl/sac.py", "prior"): "choice in a recipe",
    ("spirl_cli/rl/policy.py", "prior"): "choice in a recipe",
    ("spirl_cli/rl/watch.py", "prior"): "choice in a recipe",
    ("spirl_cli/pipeline/graph.py", "prior"): "choice in a recipe",
    ("spirl_cli/tracking/registry.py", "tensorboard"): "name of a tracker",
    ("spirl_cli/tracking/tensorboard.py", "tensorboard"): "folder of all runs that are tracked",
    ("benchmarks/__main__.py", "skills"): "name of a benchmark",
}


def test_the_names_that_users_rely_on() -> None:
    assert payload.STAGE_NAMES == ("clips", "skills", "prior", "agent", "evaluation")
    files = {name: getattr(payload, f"{name}_FILE") for name in ("CLIPS", "DECODER", "MODEL", "PRIOR", "POLICY")}
    assert files == {
        "CLIPS": "clips.hdf5",
        "DECODER": "decoder.safetensors",
        "MODEL": "model.safetensors",
        "PRIOR": "prior.safetensors",
        "POLICY": "policy.safetensors",
    }
    assert (payload.EPISODES_FILE, payload.RESULTS_FILE) == ("episodes.csv", "results.json")
    assert payload.snapshot_file(500) == "snapshots/policy-500.safetensors"
    assert payload.checkpoint_file(1200) == "checkpoint-1200.safetensors"
    assert payload.replay_file(0, 30) == "replay-000000000-000000030.h5"


def test_steps_are_read_back_from_names() -> None:
    steps = (1000, 5, 20)
    others = ["policy.safetensors", "snapshots/policy-.safetensors", "checkpoint-7.tmp"]
    assert payload.snapshot_steps([*map(payload.snapshot_file, steps), *others]) == [5, 20, 1000]
    assert payload.checkpoint_steps([*map(payload.checkpoint_file, steps), *others]) == [5, 20, 1000]


def test_no_other_module_writes_these_names() -> None:
    found = {
        f"{module}:{line} {text!r}"
        for module, line, text in _literals()
        if module != "spirl_cli/payload.py" and (module, text) not in OTHERS
    }
    assert found == set()


def test_every_exception_is_needed() -> None:
    assert OTHERS.keys() <= {(module, text) for module, _, text in _literals()}


@pytest.mark.parametrize(
    ("text", "is_a_name"),
    [
        ("agent", True),
        ("policy.safetensors", True),
        ("snapshots/policy-5.safetensors", True),
        ("checkpoint-*", True),
        ("agents", False),
        ("the policy-gradient", False),
    ],
)
def test_names_are_told_from_other_texts(text: str, is_a_name: bool) -> None:
    assert _is_a_name(text) == is_a_name


def _is_a_name(text: str) -> bool:
    return text in NAMES or text in payload.STAGE_NAMES or NUMBERED.search(text) is not None


def _literals() -> Iterator[tuple[str, int, str]]:
    """Yield (module, line, text) of every literal, docstrings left out, that is such a name."""
    for path in sorted([*REPOSITORY.glob("spirl_cli/**/*.py"), *REPOSITORY.glob("benchmarks/**/*.py")]):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
                if _is_a_name(node.value):
                    yield path.relative_to(REPOSITORY).as_posix(), node.lineno, node.value
