"""Made-up kitchen clips, and untrained networks in the files that `train-rl` reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spirl_cli.clips.reader import Clips
from spirl_cli.clips.writer import ClipWriter
from spirl_cli.demos.episode import ActionBounds, Episode
from spirl_cli.inference.decoders import SkillDecoder, load_decoder
from spirl_cli.payload import CLIPS_FILE, DECODER_FILE, PRIOR_FILE
from spirl_cli.recipe.schema import Recipe
from spirl_cli.skills.export_decoders import export_decoder
from spirl_cli.skills.families import make_prior
from spirl_cli.skills.model_files import save_prior
from spirl_cli.skills.models import SkillModel
from spirl_cli.skills.preparation import make_normalizer

STATE_DIM, ACTION_DIM = 30, 9
EPISODES, STEPS = 143, 205  # 28,000 windows of ten steps, like a small human dataset
STEP_SECONDS = 0.08
ROBOT_START = (0.148, -1.768, 1.844, -2.477, 0.260, 0.713, 1.595, 0.048, 0.037)  # joint positions, rad and m
OBJECTS_START = (0.0,) * 14 + (-0.269, 0.350, 1.619, 1.006, 0.004, -0.007, 0.0)  # at rest; the last 7 are the kettle's


def make_clips(path: Path, horizon: int, episodes: int = EPISODES) -> Clips:
    """Write clips of slow random joint velocities (9) that move the robot's part of the state (30)."""
    rng = np.random.default_rng(0)
    bounds = ActionBounds(np.full(ACTION_DIM, -1, np.float32), np.full(ACTION_DIM, 1, np.float32))
    with ClipWriter(path, horizon, bounds) as writer:
        for number in range(episodes):
            writer.append(_episode(number, rng))
        writer.finish(validation_fraction=0.1, seed=0, identity={})
    return Clips.open(path)


def _episode(number: int, rng: np.random.Generator) -> Episode:
    phase, pace = rng.uniform(0, 2 * np.pi, ACTION_DIM), rng.uniform(0.05, 0.3, ACTION_DIM)
    actions = 0.6 * np.sin(phase + pace * np.arange(STEPS)[:, None])  # (T, A)
    states = np.tile(ROBOT_START + OBJECTS_START, (STEPS + 1, 1))  # (T+1, D)
    states[1:, :ACTION_DIM] += np.cumsum(STEP_SECONDS * actions, axis=0)
    states += 0.001 * rng.standard_normal(states.shape)  # sensor noise
    return Episode(number, states.astype(np.float32), actions.astype(np.float32))


@dataclass(frozen=True)
class Untrained:
    """Skills and prior before training; their speed is that of trained ones."""

    decoder: SkillDecoder
    prior_path: Path


def make_untrained(folder: Path, recipe: Recipe) -> Untrained:
    """Write untrained networks of a recipe's shapes into `folder`."""
    section = recipe.train_skills
    clips = make_clips(folder / CLIPS_FILE, section.horizon, episodes=10)
    torch.manual_seed(0)
    model = SkillModel(section, STATE_DIM, ACTION_DIM, make_normalizer(section, clips))
    export_decoder(folder / DECODER_FILE, model, clips)
    prior = make_prior(recipe.train_prior, model.normalizer, section.latent_dim)
    save_prior(folder / PRIOR_FILE, prior, recipe.train_prior, section.latent_dim)
    return Untrained(load_decoder(folder / DECODER_FILE), folder / PRIOR_FILE)
