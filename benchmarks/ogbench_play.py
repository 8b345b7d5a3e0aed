"""Play data for OGBench's manipulation tasks, made with the package's own planner, in OGBench's file layout.

    pip install 'spirl[ogbench]'
    python -m benchmarks.ogbench_play cube-single --episodes 200 -o cube-single-play.npz

As in OGBench (Park et al., ICLR 2025, "play" datasets): in data-collection mode the environment draws a random goal,
the planner of that object carries it out with noise, and the next goal is drawn, for 1,000 steps. Nothing of it knows
the tasks that agents are later asked for. Each episode has its own seed, so that the file does not depend on `--jobs`.
"""

from __future__ import annotations

import argparse
import importlib
import io
import multiprocessing
import sys
from pathlib import Path

import numpy as np

from spirl_cli.files import make_folder, write_whole

STEPS = 1000  # of an episode
NOISE = 0.1  # of the planner, as a share of an action's range: OGBench's for play data
PLANNERS = {"cube": "cube_plan.CubePlanOracle", "button": "button_plan.ButtonPlanOracle"} | {
    "drawer": "drawer_plan.DrawerPlanOracle",
    "window": "window_plan.WindowPlanOracle",
}


def planner(kind: str, env: object) -> object:
    """Return OGBench's planner for objects of `kind` (cube, button, drawer, window)."""
    module, _, name = PLANNERS[kind].partition(".")
    planners = importlib.import_module(f"ogbench.manipspace.oracles.plan.{module}")
    return getattr(planners, name)(env=env, noise=NOISE)


def play(scene: str, seed: int, steps: int = STEPS) -> tuple[np.ndarray, np.ndarray]:
    """Play for `steps` steps.

    Returns:
        states (steps + 1, D) and actions (steps, A) in [-1, 1], float32.
    """
    import gymnasium

    importlib.import_module("ogbench.manipspace")
    env = gymnasium.make(f"{scene}-v0", terminate_at_goal=False, mode="data_collection", max_episode_steps=steps + 1)
    np.random.seed(seed)  # planners draw from the global generator
    state, info = env.reset(seed=seed)
    states, actions, current = [state], [], None
    for _ in range(steps):
        if current is None or current.done:  # type: ignore[attr-defined]
            if current is not None:
                state, info = env.unwrapped.set_new_target(p_stack=0.5)  # type: ignore[attr-defined]
            current = planner(str(info["privileged/target_task"]), env)
            current.reset(state, info)  # type: ignore[attr-defined]
        action = np.clip(current.select_action(state, info), -1, 1).astype(np.float32)  # type: ignore[attr-defined]
        state, _, _, _, info = env.step(action)
        states.append(state)
        actions.append(action)
    env.close()
    return np.asarray(states, np.float32), np.asarray(actions, np.float32)


def flat(episodes: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return arrays as OGBench writes them: T+1 rows per episode, the flag on the last state."""
    return {
        "observations": np.concatenate([states for states, _ in episodes]),
        "actions": np.concatenate([np.concatenate([actions, actions[-1:]]) for _, actions in episodes]),
        "terminals": np.concatenate([np.arange(len(states)) == len(states) - 1 for states, _ in episodes]),
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the file; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scene", choices=["scene", "cube-single", "cube-double", "cube-triple"])
    parser.add_argument("--episodes", type=int, default=200, help=f"of {STEPS} steps")
    parser.add_argument("--seed", type=int, default=0, help="of the first episode; the next ones follow")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    seeds = [(options.scene, options.seed + episode) for episode in range(options.episodes)]
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        episodes = []
        for number, episode in enumerate(pool.imap(_play, seeds), start=1):
            episodes.append(episode)
            print(f"{number}/{len(seeds)} episodes", end="\r", file=sys.stderr)
    make_folder(options.output.absolute().parent)
    file = io.BytesIO()
    np.savez_compressed(file, **flat(episodes))  # type: ignore[arg-type]
    write_whole(options.output.absolute(), file.getvalue())
    return 0


def _play(task: tuple[str, int]) -> tuple[np.ndarray, np.ndarray]:
    return play(*task)


if __name__ == "__main__":
    raise SystemExit(main())
