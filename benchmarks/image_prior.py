"""What images are worth to a prior, on an environment that spirl does not draw.

`python -m benchmarks.image_prior --folder DIR` films 300 demonstrations of a pendulum, trains skills and two priors of
the same sizes for each seed, one that looks at the last two frames and one without them, and prints for both the
log-likelihood of held-out demonstrations and what their rollouts achieve, with 95 % intervals. What is made already is
not made again. Some ten minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from benchmarks.likelihood import likelihood_row
from spirl_cli.camera import resize
from spirl_cli.demos.pendulum import swing_up_torque
from spirl_cli.evaluation.results import read_rows
from spirl_cli.files import make_folder, written_whole
from spirl_cli.payload import RESULTS_FILE
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store

CHECKOUT = Path(__file__).resolve().parents[1]
RECIPE = Path(__file__).with_suffix(".yaml")
SIZE = (64, 64)  # rows and columns of a frame, as in the recipe's `render_image`
METRICS = ("success", "return")
METHODS = {"image": (), "blind": ("--method", "blind")}


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"


def write_demonstrations(folder: Path, episodes: int) -> None:
    """Film episodes of a controller that swings a pendulum up, a file of each; those that are there are kept."""
    import gymnasium as gym

    from benchmarks.pendulum_camera import ID, STEPS

    env = gym.make(ID, render_mode="rgb_array", disable_env_checker=True)
    make_folder(folder)
    for seed in range(episodes):
        path = folder / f"{seed:04}.h5"
        if path.exists():
            continue
        rng = np.random.default_rng(seed)
        states, frames, actions = [env.reset(seed=seed)[0]], [env.render()], []
        for _ in range(STEPS):
            actions.append(swing_up_torque(states[-1], rng))
            states.append(env.step(actions[-1])[0])
            frames.append(env.render())
        with written_whole(path) as temporary, h5py.File(temporary, "w") as file:
            file["actions"], file["observations/state"] = np.array(actions), np.array(states, np.float32)
            file["observations/pixels"] = resize(np.array(frames), SIZE)


def spirl(folder: Path, *arguments: str) -> Path:
    """Run a command and return the artifact that it names."""
    command = [sys.executable, "-m", "spirl_cli", *arguments, "--json"]
    paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]  # has the module of the environment
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return folder / str(json.loads(done.stdout)["path"])


def compare(folder: Path, seed: int) -> dict[str, dict[str, Estimate]]:
    """Train skills and both priors with a seed; return likelihood and rollouts of each."""
    common = (RECIPE.name, "--set", f"seed={seed}")
    spirl(folder, "extract", *common)
    spirl(folder, "train-skills", *common)
    found = {}
    for name, method in METHODS.items():
        prior = spirl(folder, "train-prior", *common, *method)
        row = likelihood_row(Store(folder / "artifacts"), Artifact.open(prior))
        found[name] = {"log_likelihood": Estimate(row.mean, row.low, row.high)}
        evaluation = spirl(folder, "evaluate", *common, *method, "--prior-only")
        for row in read_rows(evaluation / RESULTS_FILE):
            if row.policy == "sampled" and row.metric in METRICS:
                found[name][row.metric] = Estimate(row.mean, row.low, row.high)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare an image prior with the same prior without images; exit with 1 if any intervals overlap."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.image_prior", description=main.__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where demonstrations and artifacts lie")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=300, help="demonstrations to film")
    options = parser.parse_args(arguments)
    make_folder(options.folder)
    write_demonstrations(options.folder / "demonstrations", options.episodes)
    shutil.copy(RECIPE, options.folder)
    apart = True
    for seed in range(options.seeds):
        found = compare(options.folder, seed)
        for metric in found["image"]:
            image, blind = found["image"][metric], found["blind"][metric]
            apart &= image.low > blind.high
            print(f"seed {seed} {metric}: image {image}, blind {blind}", flush=True)
    print("every interval of the image prior lies above the blind one's" if apart else "some intervals overlap")
    return 0 if apart else 1


if __name__ == "__main__":
    raise SystemExit(main())
