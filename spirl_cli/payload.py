"""Stages, and the files and folders that their artifacts and runs hold: every name stands here only.

Users and scripts rely on these names. Only plain text, so that every layer may import it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Stages, by the names of their artifacts.
CLIPS, SKILLS, PRIOR, AGENT, EVALUATION = STAGE_NAMES = ("clips", "skills", "prior", "agent", "evaluation")

CLIPS_FILE = "clips.hdf5"
DECODER_FILE = "decoder.safetensors"  # of skills, and copied into an agent, so that it needs no other artifact
MODEL_FILE = "model.safetensors"  # of skills or of a prior, for torch
PRIOR_FILE = "prior.safetensors"
POLICY_FILE = "policy.safetensors"
BEST_FILE = "best.safetensors"  # the policy whose training episodes were best
BEST = "best"  # instead of a step: that policy; in the manifest of an agent: where it was met
SNAPSHOTS_FOLDER = "snapshots"  # the policies of earlier steps
EPISODES_FILE = "episodes.csv"
YARDSTICKS_FILE = "yardsticks.csv"  # episodes of what an evaluation compares with
RESULTS_FILE = "results.json"
CURVE_FILE = "learning_curve.png"
VIDEOS_FOLDER = "videos"
METRICS_FILE = "metrics.csv"
EVENTS_FOLDER = "tensorboard"

# What a run goes on from, and an artifact mostly does not hold.
GENERATED_FOLDER = "generated"  # demonstrations that are made, not read
FINISHED_FOLDER = "finished"  # policies that are evaluated already
CHECKPOINTS = "checkpoint-*.safetensors"
REPLAY_FILES = "replay-*.h5"
RESUMED_FROM = (CHECKPOINTS, f"{GENERATED_FOLDER}/*.hdf5")
CONTINUED_FROM = ("checkpoint-*", "replay-*", f"{EVENTS_FOLDER}/*")  # of a finished agent, by a longer run

_CHECKPOINT = re.compile(r"checkpoint-(\d+)\.safetensors")
_REPLAY = re.compile(r"replay-(\d+)-(\d+)\.h5")
_SNAPSHOT = re.compile(rf"{SNAPSHOTS_FOLDER}/policy-(\d+)\.safetensors")


def checkpoint_file(step: int) -> str:
    """Return the name of the checkpoint after so many steps."""
    return f"checkpoint-{step}.safetensors"


def checkpoint_steps(names: Iterable[str]) -> list[int]:
    """Return the steps of the checkpoints among these names, ascending."""
    return sorted(int(match[1]) for name in names if (match := _CHECKPOINT.fullmatch(name)))


def replay_file(first: int, end: int) -> str:
    """Return the name of the segment of the replay memory that holds these transitions."""
    return f"replay-{first:09d}-{end:09d}.h5"


def replay_end(name: str) -> int:
    """Return how many transitions there were after the last one of a segment of the replay memory.

    Raises:
        ValueError: the name is not that of a segment.
    """
    match = _REPLAY.fullmatch(name)
    if match is None:
        raise ValueError(f"'{name}' is no segment of a replay memory")
    return int(match[2])


def snapshot_file(step: int) -> str:
    """Return the name of the policy that was kept at a step."""
    return f"{SNAPSHOTS_FOLDER}/policy-{step}.safetensors"


def snapshot_steps(names: Iterable[str]) -> list[int]:
    """Return the steps of the snapshots among these names, ascending."""
    return sorted(int(match[1]) for name in names if (match := _SNAPSHOT.fullmatch(name)))
