"""The kitchen's order semantics, noise and traps; any Gymnasium environment; what is refused."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.domains.kitchen.env import KitchenEnv
from spirl_cli.domains.kitchen.section import KitchenSection
from spirl_cli.domains.kitchen.subtasks import Subtasks
from spirl_cli.envs.make import check_compatible, make_env, make_raw_env
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.settings import ObservationPart
from tests.support.commands import CHECKOUT
from tests.support.environments import PENDULUM, ScriptedEnv, scripted

OPENED_MICROWAVE = -0.75
KETTLE_GOAL = (-0.23, 0.75, 1.62, 0.99, 0.0, 0.0, -0.06)
MICROWAVE, KETTLE = slice(22, 23), slice(23, 30)


@pytest.fixture(scope="module")
def kitchens() -> Iterator[Callable[..., KitchenEnv]]:
    """Make kitchens by their section's values; all are closed in the end."""
    made: list[KitchenEnv] = []

    def make(**values: Any) -> KitchenEnv:
        made.append(KitchenEnv(KitchenSection(**values)))
        return made[-1]

    yield make
    for env in made:
        env.close()


def place(env: KitchenEnv, joints: slice, positions: Any) -> None:
    """Put an object somewhere by hand."""
    env.unwrapped.data.qpos[joints] = positions


def still(env: KitchenEnv) -> tuple[float, bool, bool, dict[str, float]]:
    """Step without moving: reward, terminated, truncated, metrics."""
    _, reward, terminated, truncated, info = env.step(np.zeros(9))
    return reward, terminated, truncated, info["metrics"]


# --- order semantics ---------------------------------------------------------------------------


def test_any_order_pays_each_subtask_once() -> None:
    subtasks = Subtasks(["kettle", "microwave"], "any")
    assert subtasks.pay(lambda task: task == "microwave") == 1
    assert subtasks.pay(lambda task: task == "microwave") == 0
    assert not subtasks.complete
    assert subtasks.pay(lambda task: task == "kettle") == 1
    assert subtasks.complete
    assert list(subtasks.metrics()) == ["subtasks", "kettle", "microwave"]


def test_in_order_pays_only_what_is_done_at_its_turn() -> None:
    subtasks = Subtasks(["kettle", "microwave", "light switch"], "in-order")
    assert subtasks.pay(lambda task: task == "microwave") == 0, "the kettle comes first"
    assert subtasks.pay(lambda task: task in ("kettle", "microwave")) == 2, "both at once, in order"
    assert subtasks.pay(lambda task: task in ("kettle", "microwave")) == 0, "paid once only"
    assert subtasks.pay(lambda task: task == "light switch") == 1, "earlier ones may be undone by now"
    assert subtasks.complete


def test_in_order_ignores_what_was_reached_earlier_and_left_again() -> None:
    subtasks = Subtasks(["kettle", "microwave"], "in-order")
    subtasks.pay(lambda task: task == "microwave")
    assert subtasks.pay(lambda task: task == "kettle") == 1
    assert not subtasks.complete


def test_in_order_on_placed_objects(kitchens: Callable[..., KitchenEnv]) -> None:
    env = kitchens(tasks=("microwave", "kettle"), order="in-order", noise=0.0)
    env.reset(seed=0)
    place(env, KETTLE, KETTLE_GOAL)
    assert still(env)[:2] == (0.0, False)
    place(env, MICROWAVE, OPENED_MICROWAVE)
    place(env, KETTLE, KETTLE_GOAL)
    reward, terminated, truncated, metrics = still(env)
    assert (reward, terminated, truncated) == (2.0, True, False)
    assert metrics == {"subtasks": 2.0, "microwave": 1.0, "kettle": 1.0}


def test_any_order_on_placed_objects(kitchens: Callable[..., KitchenEnv]) -> None:
    env = kitchens(tasks=("microwave", "kettle"), order="any")
    env.reset(seed=0)
    place(env, KETTLE, KETTLE_GOAL)
    assert still(env)[:2] == (1.0, False)
    assert still(env)[:2] == (0.0, False), "once only"
    place(env, MICROWAVE, OPENED_MICROWAVE)
    assert still(env)[:2] == (1.0, True)


def test_reward_looks_at_the_true_state(kitchens: Callable[..., KitchenEnv]) -> None:
    env = kitchens(tasks=("kettle", "microwave"), noise=0.0, object_noise=1e4)
    env.reset(seed=0)
    place(env, KETTLE, KETTLE_GOAL)
    assert still(env)[0] == 1.0


# --- kitchen: traps, noise, ends ---------------------------------------------------------------


def test_metrics_of_an_ended_episode_outlive_the_reset(kitchens: Callable[..., KitchenEnv]) -> None:
    env = kitchens(tasks=("microwave", "kettle"))
    env.reset(seed=0)
    place(env, MICROWAVE, OPENED_MICROWAVE)
    metrics = still(env)[3]
    _, info = env.reset(seed=1)
    assert metrics["microwave"] == 1.0 and info["metrics"]["microwave"] == 0.0


def test_goals_are_not_shared(kitchens: Callable[..., KitchenEnv]) -> None:
    spoiled, env = kitchens(tasks=("kettle",)), kitchens(tasks=("kettle",))
    observation, _ = spoiled.reset(seed=0)
    observation["desired_goal"]["kettle"][:] = 99.0
    for kitchen in (spoiled, env, kitchens(tasks=("kettle",))):
        kitchen.reset(seed=0)
        place(kitchen, KETTLE, KETTLE_GOAL)
        assert still(kitchen)[0] == 1.0


def test_metrics_keep_the_recipes_order_for_any_hash_seed() -> None:
    script = """
        from spirl_cli.envs.make import make_env
        from spirl_cli.domains.kitchen.section import KitchenSection
        env = make_env(KitchenSection(tasks=("slide cabinet", "kettle", "microwave")))
        env.reset(seed=0)
        print(list(env.step([0.0] * 9)[4]["metrics"]))
    """
    expected = "['subtasks', 'slide cabinet', 'kettle', 'microwave']"
    command = [sys.executable, "-c", textwrap.dedent(script)]
    for hash_seed in ("1", "2"):
        result = subprocess.run(
            command, env={"PYTHONHASHSEED": hash_seed}, cwd=CHECKOUT, capture_output=True, text=True, check=True
        )
        assert result.stdout.strip() == expected
        assert result.stderr == "", "importing the simulator talks to nobody"


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.1])
def test_noise_has_the_amplitude_of_the_recipe(kitchens: Callable[..., KitchenEnv], noise: float) -> None:
    env = kitchens(noise=noise, object_noise=0.0)
    errors = []
    for seed in range(60):
        observation, _ = env.reset(seed=seed)
        errors.append(observation["observation"][:9] - env.unwrapped.data.qpos[:9])
    # the amplitude of every joint's position noise is 0.1 in gymnasium-robotics
    assert np.abs(errors).max() <= 0.1 * noise
    assert np.abs(errors).max() >= 0.09 * noise


def test_kitchen_is_truncated_after_the_recipes_steps(kitchens: Callable[..., KitchenEnv]) -> None:
    env = kitchens(episode_length=3)
    for _ in range(2):
        env.reset(seed=0)
        assert [still(env)[2] for _ in range(3)] == [False, False, True]


def test_terminated_at_the_last_step_is_not_truncated(kitchens: Callable[..., KitchenEnv]) -> None:
    env = kitchens(tasks=("microwave",), episode_length=1)
    env.reset(seed=0)
    place(env, MICROWAVE, OPENED_MICROWAVE)
    assert still(env)[1:3] == (True, False)


def test_kitchen_observation_is_selected() -> None:
    raw, env = make_raw_env(KitchenSection()), make_env(KitchenSection())
    full, _ = raw.reset(seed=5)
    observation, _ = env.reset(seed=5)
    assert env.observation_space.shape == (30,) and observation.dtype == np.float32
    np.testing.assert_array_equal(
        observation, np.concatenate([full["observation"][:9], full["observation"][18:39]]).astype(np.float32)
    )


# --- any Gymnasium environment -----------------------------------------------------------------


def run_scripted(section: GymnasiumSection) -> list[tuple[float, bool, bool, dict[str, float]]]:
    """Rewards, ends and metrics of one episode."""
    env = make_env(section)
    env.reset(seed=0)
    steps: list[tuple[float, bool, bool, dict[str, float]]] = []
    while not steps or not (steps[-1][1] or steps[-1][2]):
        _, reward, terminated, truncated, info = env.step(np.zeros(2, np.float32))
        steps.append((reward, terminated, truncated, info["metrics"]))
    return steps


def test_gymnasium_time_limit_is_the_recipes() -> None:
    steps = run_scripted(scripted(episode_length=4))
    assert len(steps) == 4 and steps[-1] == (4.0, False, True, {})


def test_success_is_remembered() -> None:
    steps = run_scripted(scripted(kwargs={"success_at": 3}, success_key="is_success"))
    assert [metrics["success"] for *_, metrics in steps] == [0.0] * 2 + [1.0] * 8


def test_success_reward_and_termination() -> None:
    section = scripted(kwargs={"success_at": 3}, success_key="is_success", reward="success", terminate_on_success=True)
    assert [step[:3] for step in run_scripted(section)] == [(0.0, False, False)] * 2 + [(1.0, True, False)]


def test_ending_both_ways_at_once_is_termination() -> None:
    assert run_scripted(scripted(kwargs={"ends_at": 10}))[-1][1:3] == (True, False)


def test_success_key_that_never_shows_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'is_succes' never showed.*Did you mean 'is_success'"):
        run_scripted(scripted(kwargs={"success_at": 3}, success_key="is_succes"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "CartPole-v1"}, r"continuous actions.*Discrete\(2\)"),
        ({"id": "Pendulm-v1"}, "no environment 'Pendulm-v1'.*Did you mean 'Pendulum-v1'"),
        ({"id": "Pendulum-v1", "module": "no_such_package"}, "env.module: 'no_such_package' cannot be imported"),
        ({"id": "Pendulum-v1", "kwargs": {"gravity": 3}}, "cannot be made with env.kwargs.*gravity"),
        ({"id": "Pendulum-v1", "reward": "success"}, r"need env\.success_key"),
        ({"id": "Pendulum-v1", "noise": 0.1}, r"env\.noise is the kitchen"),
        ({"observation": (ObservationPart(key="robot/qpo"),)}, "no key 'robot/qpo'.*Did you mean 'qpos'"),
        ({"observation": (ObservationPart(key="name"),)}, "'name' is not numeric"),
        ({"observation": (ObservationPart(),)}, "not one array"),
        ({"observation": (ObservationPart(key="robot/qpos", indices=(2,)),)}, "2"),
    ],
)
def test_environments_that_cannot_be_made_are_explained(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_env(scripted(**{"module": None, **changes}))


def test_infinite_action_bounds_are_refused() -> None:
    class Unbounded(ScriptedEnv):
        def __init__(self) -> None:
            super().__init__()
            self.action_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)

    gym.register("Unbounded-v0", Unbounded)
    try:
        with pytest.raises(UsageError, match="finite bounds"):
            make_env(scripted(id="Unbounded-v0"))
    finally:
        del gym.registry["Unbounded-v0"]


def test_clips_that_do_not_fit_are_refused() -> None:
    low, high = np.array([-2.0]), np.array([2.0])
    check_compatible(PENDULUM, 3, 1, low, high)
    with pytest.raises(ArtifactError, match=r"observations of the clips have 30 numbers.*environment 3"):
        check_compatible(PENDULUM, 30, 1, low, high)
    with pytest.raises(ArtifactError, match=r"actions of the clips have 9 numbers.*environment 1"):
        check_compatible(PENDULUM, 3, 9, np.full(9, -1), np.ones(9))
    with pytest.raises(ArtifactError, match="upper bound of action 0 is 1 in the clips and 2"):
        check_compatible(PENDULUM, 3, 1, low, np.array([1.0]))
