"""Files of weights whose headers a stranger wrote, with checksums that are right: they are refused, never believed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from spirl_cli.errors import ArtifactError, SpirlError
from spirl_cli.monitor import checkpoint
from spirl_cli.monitor.checkpoint import State, read_state, write_state
from spirl_cli.recipe.sections.prior import TrainPriorSection
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.skills.families import make_prior
from spirl_cli.skills.model_files import load_prior, load_skills, save_prior, save_skills
from spirl_cli.skills.models import SkillModel
from spirl_cli.skills.networks import Normalizer
from tests.support.monitor_data import training_run

ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**70, 10**400, 1.5, "", "a", "\udc80", [], [1], [[]], {}, {"a": 1}),
    *("closed-loop", "mixture", [3, 3, 3], [10**9] * 3),
)
SKILLS = {"encoder_width": 4, "decoder_width": 4, "decoder_depth": 1}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Write a skill model."""
    path = tmp_path / "model.safetensors"
    save_skills(path, SkillModel(TrainSkillsSection(**SKILLS), 3, 2), 2)
    return path


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in nested JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(one for key, item in items for one in places(item, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """Return nested JSON with one value replaced."""
    if not path:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], other)
    return copy


def mutations(scalars: dict[str, Any], generator: random.Random, count: int) -> list[Any]:
    return [replaced(scalars, generator.choice(places(scalars)), generator.choice(ODD)) for _ in range(count)]


def write_unchecked(path: Path, tensors: dict[str, torch.Tensor], scalars: Any, content: str | None = None) -> None:
    """Write what may be no state, with a checksum that is right."""
    content = json.dumps(scalars) if content is None else content
    header = {"format": 1, "scalars": content, "sha256": checkpoint._digest(tensors, content)}
    save_file(tensors, path, {"spirl": json.dumps(header)})


def test_mutated_headers_of_models_are_refused_or_mean_what_they_say(model: Path) -> None:
    good, generator = read_state(model), random.Random(0)
    refused = 0
    for scalars in mutations(good.scalars, generator, 300):
        write_unchecked(model, good.tensors, scalars)
        try:
            load_skills(model)
        except ArtifactError as error:
            refused += str(model) in error.message
    assert refused > 150


def test_mutated_headers_of_priors_are_refused_or_mean_what_they_say(tmp_path: Path) -> None:
    section = TrainPriorSection(family="ensemble", width=4, depth=1, ensemble={"members": 2})
    path = tmp_path / "model.safetensors"
    save_prior(path, make_prior(section, Normalizer.identity(3), 2), section, 2)
    good, generator = read_state(path), random.Random(1)
    refused = 0
    for scalars in mutations(good.scalars, generator, 300):
        write_unchecked(path, good.tensors, scalars)
        try:
            load_prior(path)
        except ArtifactError as error:
            refused += str(path) in error.message
    assert refused > 150


@pytest.mark.parametrize(
    "change", [{"decoder_depth": 10**9}, {"decoder_width": 10**9}, {"encoder_width": 10**9}, {"latent_dim": 10**9}]
)
def test_sizes_that_no_memory_holds_are_refused_before_anything_is_made(model: Path, change: dict[str, int]) -> None:
    state = read_state(model)
    state.scalars["section"] |= change
    write_state(model, state)
    with pytest.raises(ArtifactError, match="cannot be read as a model"):
        load_skills(model)


def test_comparing_sizes_draws_no_random_numbers(model: Path) -> None:
    torch.manual_seed(0)
    SkillModel(TrainSkillsSection(**SKILLS), 3, 2)
    before = torch.get_rng_state()
    torch.manual_seed(0)
    load_skills(model)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("key", ["format", "scalars", "sha256"])
@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:12])
def test_an_odd_header_is_no_checkpoint(model: Path, key: str, value: Any) -> None:
    header = {"format": 1, "scalars": "{}", "sha256": ""} | {key: value}
    save_file(load_file(model), model, {"spirl": json.dumps(header)})
    with pytest.raises(ArtifactError):
        read_state(model)


@pytest.mark.parametrize("content", ["[" * 100_000, "[]", "3", "null", '{"a":' * 5_000, "9" * 5_000])
def test_scalars_that_are_no_mapping_are_no_checkpoint(model: Path, content: str) -> None:
    write_unchecked(model, {}, None, content)
    with pytest.raises(ArtifactError):
        read_state(model)


def test_bytes_of_any_kind_are_no_checkpoint(model: Path) -> None:
    good, generator = model.read_bytes(), random.Random(2)
    for _ in range(300):
        data = bytearray(good)
        for _ in range(generator.randint(1, 8)):
            data[generator.randrange(min(len(data), 1200))] = generator.randrange(256)
        model.write_bytes(data[: generator.choice([len(data), generator.randrange(len(data))])])
        if model.read_bytes() != good:
            with pytest.raises(ArtifactError):
                read_state(model)


class Learner:
    """A learner that believes its checkpoint."""

    def state(self, folder: Path) -> State:
        return State({"weights": torch.zeros(3)}, {"numbers": {"a": 1, "b": [1, 2]}, "count": 3})

    def restore(self, state: State, folder: Path) -> None:
        numbers = state.scalars["numbers"]
        assert len(torch.zeros(state.scalars["count"])) + numbers["a"] + numbers["b"][1] > -(2**80)


def test_mutated_checkpoints_of_a_run_are_refused_or_restored(tmp_path: Path) -> None:
    scalars = {**Learner().state(tmp_path).scalars, "run": {"step": 4, "seconds": 1.5}}
    generator, path = random.Random(3), tmp_path / "checkpoint-4.safetensors"
    refused = 0
    for changed in mutations(scalars, generator, 200):
        write_unchecked(path, {"weights": torch.zeros(3)}, changed)
        run = training_run(tmp_path, Learner())
        try:
            with run:
                pass
        except SpirlError as error:
            refused += error.exit_code == 3
    assert refused > 50
