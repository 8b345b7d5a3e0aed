"""The scripted kitchen demonstrator: rotations, control, state machines, plans, episodes, the dataset."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spirl_cli.domains.kitchen.expert.control import Aim, Controller
from spirl_cli.domains.kitchen.expert.demonstrator import Demonstration, Demonstrator
from spirl_cli.domains.kitchen.expert.disturbance import Disturbance
from spirl_cli.domains.kitchen.expert.plans import FIRST, NEXT, TARGET, completes_target, draw_plan
from spirl_cli.domains.kitchen.expert.rotations import pointing, rotation_between
from spirl_cli.domains.kitchen.expert.state_machine import Approach, Contact, Phase, StateMachine
from spirl_cli.domains.kitchen.expert.style import draw_style, plain_style
from spirl_cli.domains.kitchen.expert.view import KitchenView
from spirl_cli.domains.kitchen.section import KITCHEN_POSITIONS, KITCHEN_TASKS, KitchenExpert, KitchenSection
from spirl_cli.recipe.sections.extract import ExtractSection
from tests.support.demos_data import identify


@pytest.fixture(scope="module")
def demonstrator() -> Demonstrator:
    return Demonstrator(KitchenExpert())


def seed(number: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(7, spawn_key=(number,))


def test_a_gripper_points_where_it_is_told() -> None:
    rotation = pointing(0.0, 0.0)
    np.testing.assert_allclose(rotation, [[0, 1, 0], [0, 0, 1], [1, 0, 0]], atol=1e-12)
    for angles in [(0.3, -0.4, 0.2), (-1.0, 0.5, -0.7)]:
        rotation = pointing(*angles)
        np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1.0)
        assert math.asin(rotation[2, 2]) == pytest.approx(angles[1])
        assert math.atan2(-rotation[0, 2], rotation[1, 2]) == pytest.approx(angles[0])


def test_the_rotation_between_two_orientations_turns_one_into_the_other() -> None:
    present, target = pointing(0.2, 0.1, 0.3), pointing(-0.5, 0.4, -0.6)
    vector = rotation_between(target, present)
    angle = float(np.linalg.norm(vector))
    x, y, z = vector / angle
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned = np.eye(3) + math.sin(angle) * skew + (1 - math.cos(angle)) * skew @ skew
    np.testing.assert_allclose(turned @ present, target, atol=1e-9)
    np.testing.assert_array_equal(rotation_between(present, present), np.zeros(3))


def test_plans_follow_the_statistics_and_leave_the_target_incomplete() -> None:
    rng = np.random.default_rng(0)
    plans = [draw_plan(KitchenExpert(), rng) for _ in range(3000)]
    assert all(len(set(plan)) == 4 and not completes_target(plan) for plan in plans)
    firsts = Counter(plan[0] for plan in plans)
    assert {task: firsts[task] / 3000 for task in FIRST} == pytest.approx(dict(FIRST), abs=0.03)
    assert all(after in NEXT[before] for plan in plans for before, after in itertools.pairwise(plan))


def test_uniform_plans_use_every_subtask_and_the_target_when_it_is_allowed() -> None:
    rng = np.random.default_rng(0)
    plans = [draw_plan(KitchenExpert(plans="uniform", target=True), rng) for _ in range(1500)]
    assert {plan[0] for plan in plans} == set(KITCHEN_TASKS)
    assert any(completes_target(plan) for plan in plans)
    assert {len(draw_plan(KitchenExpert(plans="uniform", subtasks=2), rng)) for _ in range(20)} == {2}
    assert len(TARGET) == 4


def test_styles_vary_and_the_plain_one_does_not() -> None:
    one, other = draw_style(np.random.default_rng(0)), draw_style(np.random.default_rng(1))
    assert one.pace != other.pace and not np.array_equal(one.bow, other.bow)
    still, plain = draw_style(np.random.default_rng(0), 0.0), plain_style()
    assert (still.pace, still.yaw, still.standoff, still.extent) == (
        plain.pace,
        plain.yaw,
        plain.standoff,
        plain.extent,
    )


def test_a_funnel_backs_off_beside_its_contact_and_goes_straight_before_it() -> None:
    class At:
        def __init__(self, *position: float) -> None:
            self.position = np.array(position)

    contact, approach = Contact(np.array([0.0, 1.0, 2.0]), pointing(0.0, 0.0)), Approach()
    before: Any = At(0.0, 0.9, 2.0)
    np.testing.assert_allclose(approach.aim(before, contact, 1.0).position, contact.position)
    beside: Any = At(0.3, 0.9, 2.0)
    assert approach.aim(beside, contact, 1.0).position[1] < 0.85
    beyond: Any = At(0.3, 1.1, 2.0)  # behind the handle: out the way it points first
    np.testing.assert_allclose(approach.aim(beyond, contact, 1.0).position, [0.3, 0.95, 2.0])


def test_a_machine_starts_over_when_it_lost_the_object_and_not_when_it_is_done() -> None:
    class Scripted:
        lost, gone, solved_now = False, False, False

        def solved(self, task: str) -> bool:
            return self.solved_now

    state = Scripted()
    view: Any = state
    aim = Aim(np.zeros(3), np.eye(3))
    phases = [
        Phase("reach", lambda _: aim, lambda _: not state.lost),
        Phase("pull", lambda _: aim, lambda _: False, lambda _: state.lost),
        Phase("leave", lambda _: aim, lambda _: state.gone),
    ]
    machine = StateMachine("kettle", phases, np.zeros(7))
    machine.aim(view)
    assert machine.phase == "pull"
    state.lost = True
    machine.aim(view)
    assert (machine.phase, machine.restarts) == ("reach", 1)
    state.lost = False
    machine.aim(view)
    state.lost, state.solved_now = True, True
    machine.aim(view)
    assert (machine.phase, machine.restarts, machine.leaving) == ("leave", 1, True)
    state.gone = True
    machine.aim(view)
    assert machine.done


def test_the_controller_reaches_an_aim_within_the_bounds_of_actions(demonstrator: Demonstrator) -> None:
    kitchen = demonstrator.kitchen
    kitchen.reset(0)
    view = KitchenView(kitchen)
    controller = Controller(view)
    aim = Aim(view.position + np.array([0.05, 0.1, 0.05]), pointing(0.1, 0.1))
    posture = view.arm
    for _ in range(25):
        action = controller.action(aim, posture)
        assert np.abs(action).max() <= 1.0
        kitchen.step(action)
    assert np.linalg.norm(view.position - aim.position) < 0.01
    assert np.linalg.norm(rotation_between(aim.rotation, view.rotation)) < 0.1


def test_pushes_come_only_where_they_may() -> None:
    settings = KitchenExpert(disturbance=1.0, variation=0.0)
    free, busy = (Disturbance(settings, np.random.default_rng(3)) for _ in range(2))
    assert max(np.abs(free.next(True)).max() for _ in range(40)) > 0.2
    assert max(np.abs(busy.next(False)).max() for _ in range(40)) == 0.0


def check(one: Demonstration, plan: tuple[str, ...]) -> None:
    assert one.success and tuple(one.completed)[: len(plan)] == plan
    assert one.observations.shape == (len(one.actions) + 1, 59)
    assert one.states.shape == (len(one.actions) + 1, 30)
    assert one.actions.dtype == np.float32 and np.abs(one.actions).max() <= 1.0
    noise = np.abs(one.observations[:, 18:39] - one.states[:, 9:]).max()
    assert 0 < noise < 0.001


def test_an_episode_follows_from_its_seed_alone(demonstrator: Demonstrator) -> None:
    plan = ("microwave", "kettle")
    first = demonstrator.play(seed(0), plan)
    check(first, plan)
    demonstrator.play(seed(1), ("light switch",))
    again = demonstrator.play(seed(0), plan)
    np.testing.assert_array_equal(first.actions, again.actions)
    np.testing.assert_array_equal(first.observations, again.observations)
    other = demonstrator.play(seed(2), plan)
    assert len(other.actions) != len(first.actions) or not np.array_equal(other.actions, first.actions)


@pytest.mark.parametrize("task", KITCHEN_TASKS)
def test_every_subtask_can_be_done(task: str, demonstrator: Demonstrator) -> None:
    check(demonstrator.play(seed(3), (task,)), (task,))


def test_the_target_task_counts_as_a_failure_unless_it_is_asked_for(demonstrator: Demonstrator) -> None:
    plan = ("microwave", "kettle", "bottom burner", "light switch")
    one = demonstrator.play(seed(4), plan)
    assert set(one.completed) == set(plan) and not one.success


@pytest.mark.slow
def test_most_sequences_succeed(demonstrator: Demonstrator) -> None:
    assert np.mean([demonstrator.play(seed(number)).success for number in range(20)]) >= 0.8


def test_scripted_demonstrations_have_an_identity_before_they_exist() -> None:
    section = ExtractSection(source="scripted")
    usual = identify(section, KitchenSection())
    assert usual is not None and usual.reference == "scripted:spirl/kitchen-scripted-v0" and usual.episodes == 600
    fewer = identify(ExtractSection(source="scripted", episodes=3), KitchenSection())
    assert fewer is not None and fewer.sha256 != usual.sha256 and fewer.name not in (usual.name, "")


def test_a_dataset_is_made_once_and_read_by_minari(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import minari

    from spirl_cli.demos.source import find_source
    from spirl_cli.domains.kitchen.expert.dataset import play_numbered
    from spirl_cli.monitor.reporter import SilentReporter

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    settings = KitchenExpert(subtasks=1)
    section = ExtractSection(source="scripted", episodes=2, scripted=settings, observation=KITCHEN_POSITIONS)
    source = find_source(section, KitchenSection())
    made = source.open(tmp_path / "generated", SilentReporter())
    episodes = list(made)
    assert made.success_rate is not None and len(episodes) == 2
    dataset = minari.load_dataset(made.identity.name)
    stored = dataset[1]
    assert stored.rewards.sum() >= 1 and stored.truncations[-1] and not stored.terminations.any()
    assert set(stored.observations) == {"observation", "achieved_goal", "desired_goal"}
    same = play_numbered(settings, 1)
    np.testing.assert_array_equal(stored.actions.astype(np.float32), same.actions)
    np.testing.assert_array_equal(episodes[1].actions, same.actions)
    again = source.open(tmp_path / "other", SilentReporter())
    assert again.success_rate is None and not (tmp_path / "other").exists()
