"""The maze from nothing to numbers: demonstrations, image-conditioned prior, agent, figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spirl_cli import load_agent
from spirl_cli.envs.make import make_raw_env
from spirl_cli.evaluation.episodes import read_episodes
from spirl_cli.recipe.load import load_recipe
from tests.support.commands import RunCli
from tests.support.pipeline_data import artifacts

SMALL = ["--set", "evaluate.video_episodes=0"]


@pytest.mark.slow
def test_the_maze_from_nothing_to_numbers(tmp_path: Path, run_cli: RunCli) -> None:
    done = run_cli("run", "maze", "--profile", "quick", timeout=600)
    assert done.returncode == 0, done.stderr
    made = artifacts(tmp_path, "maze")
    folder = made["evaluation"].path
    assert done.stdout == f"{folder.relative_to(tmp_path)}\n"
    for picture in ("paths.png", "learning_curve.png"):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")
    assert [path.suffix for path in (folder / "videos").iterdir()] == [".mp4"]  # needs no OpenGL
    groups = [(group.method, group.policy, group.env_steps) for group in read_episodes(folder / "episodes.csv")]
    assert groups[0][1:] == ("sampled", 1500)
    assert groups[-2:] == [("no-prior", "sampled", 0), ("random", "sampled", 0)]
    rows = json.loads((folder / "results.json").read_text())["rows"]
    assert {(row["env"], row["metric"], row["reward"]) for row in rows} == {("maze", "success", "sparse")}
    assert rows[0]["layout"] == "12x12 seed 0" and rows[0]["data"] == "maze-10x10"
    again = run_cli("run", "maze", "--profile", "quick")
    assert "up to date" in again.stderr and again.stdout == done.stdout

    agent = load_agent(made["agent"].path)
    env = make_raw_env(load_recipe("maze", profile="quick").env)
    observation, _ = env.reset(seed=0)
    for _ in range(25):
        observation, *_ = env.step(agent.act(observation))
    assert np.isfinite(observation["state"]).all()

    hall = ["#" * 14, *("#" + "." * 12 + "#" for _ in range(12)), "#" * 14]
    (tmp_path / "hall.txt").write_text("\n".join(hall) + "\n")
    other = ["--agent", str(made["agent"].path), "--set", "env.layout=hall.txt", *SMALL]
    elsewhere = run_cli("evaluate", "maze", "--profile", "quick", *other, timeout=600)
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert "was trained with another env.layout" in elsewhere.stderr
    moved = json.loads((tmp_path / elsewhere.stdout.strip() / "results.json").read_text())["rows"]
    assert moved[0]["layout"].startswith("own ")
