"""The benchmarks run and report; how fast anything is depends on the machine and is not tested."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import __main__ as benchmarks
from benchmarks import blocks, maze, memory, paces, rl, skills, throughput, transfer
from benchmarks.bare import BareLoop, count_parameters
from benchmarks.measurement import Measurement
from spirl_cli.domains.blocks.env import BlocksEnv
from spirl_cli.domains.blocks.physics import BlocksPhysics
from spirl_cli.domains.blocks.section import BlocksSection
from spirl_cli.errors import ArtifactError
from spirl_cli.monitor.reporter import SilentReporter
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.skills.models import SkillModel
from spirl_cli.skills.skill_training import SkillTrainer
from tests.support.clip_data import make_clips


def few_transitions(seconds: float, reporter: object) -> list[Measurement]:
    return memory.measure(transitions=2_000)


class TestFigure:
    @pytest.mark.parametrize(
        ("bound", "value", "passed"),
        [("at most", 1.1, True), ("at most", 1.2, False), ("at least", 1.1, True), ("at least", 1.0, False)],
    )
    def test_the_limit_itself_is_allowed(self, bound: str, value: float, passed: bool) -> None:
        assert Measurement("f", value, "s", 1.1, bound).passed is passed  # type: ignore[arg-type]

    @pytest.mark.parametrize("bound", ["at most", "at least"])
    def test_no_number_is_no_pass(self, bound: str) -> None:
        assert not Measurement("f", math.nan, "s", 1.1, bound).passed  # type: ignore[arg-type]

    def test_a_disturbed_measurement_is_no_pass(self) -> None:
        assert not Measurement("f", 1.0, "s", 1.1, "at most", disturbed=True).passed


class TestMemory:
    def test_counts_all_that_the_replay_memory_holds(self) -> None:
        measurements = memory.measure(transitions=20_000)
        assert [measurement.limit for measurement in measurements] == [700, 7000]
        for measurement in measurements:
            assert measurement.passed
            assert measurement.parts["row_bytes"] <= measurement.value <= measurement.parts["peak_bytes"]


class TestMaze:
    def test_demonstrations_and_windows_are_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(maze, "EPISODES", (6, 6))
        generated, drawn = maze.measure(0.01, SilentReporter())
        assert generated.parts["episodes"] == 6 and generated.parts["steps"] > 6 * 20
        assert generated.value == pytest.approx(generated.parts["steps"] / generated.parts["seconds"])
        assert drawn.value == pytest.approx(drawn.parts["batches"] * 128 / drawn.parts["seconds"])


class TestTransfer:
    def test_training_explains_held_out_actions_and_other_sizes_are_refused(self, tmp_path: Path) -> None:
        clips = make_clips(tmp_path / "clips.hdf5", state_dim=5, action_dim=3, horizon=4)
        section = TrainSkillsSection(horizon=4, latent_dim=4, iterations=150, learning_rate=3e-3, beta=1e-4)
        trainer = SkillTrainer(section, clips, 0)
        before = transfer.carry_over(trainer.model.eval(), clips)
        trainer.model.train()
        for _ in range(150):
            trainer.update()
        after = transfer.carry_over(trainer.model.eval(), clips)
        assert before["explained"] < 0.2 and 0.8 < after["explained"] <= 1.0 and after["error"] < before["error"]
        other = make_clips(tmp_path / "other.hdf5", state_dim=6, action_dim=3, horizon=4)
        with pytest.raises(ArtifactError, match=r"5 numbers.*6 numbers"):
            transfer.carry_over(trainer.model, other)

    def test_clips_are_described(self, tmp_path: Path) -> None:
        clips = make_clips(tmp_path / "clips.hdf5", state_dim=5, action_dim=3, horizon=4)
        described = transfer.describe(clips)
        assert (described["episodes"], described["steps"], described["median_length"]) == (8, 260, 32.5)
        assert transfer.distance(clips, clips) < 0.5
        assert described["still"] < 0.1 and 0.4 < described["action"] < 0.8


class TestBlocks:
    def test_steps_with_images_and_bare_ones_are_timed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in (("EPISODES", 1), ("STEPS", 20), ("ROUNDS", 2)):
            monkeypatch.setattr(blocks, name, value)
        random, stacking = blocks.measure(0.01, SilentReporter())
        for measurement in (random, stacking):
            assert (
                measurement.parts["steps"] == 20
                and measurement.parts["rounds"] >= 2
                and measurement.bound == "at least"
            )
            assert measurement.value == pytest.approx(
                measurement.parts["steps_per_second"] / measurement.parts["bare_per_second"]
            )

    def test_both_do_the_same(self) -> None:
        course = blocks.stacking_course(4, 0)
        env, physics = BlocksEnv(BlocksSection(kind="blocks", blocks=4)), BlocksPhysics(4)
        assert len(blocks.step_times(env, course)) == len(blocks.bare_times(physics, course)) == len(course.actions)
        np.testing.assert_array_equal(env.physics.data.qpos, physics.data.qpos)


class TestSkills:
    @pytest.mark.parametrize("batch_norm", [False, True])
    def test_the_bare_loop_trains_equally_large_networks(self, batch_norm: bool) -> None:
        section = TrainSkillsSection(batch_norm=batch_norm)
        states, actions = torch.randn(4, 10, 30), torch.randn(4, 10, 9)
        bare = BareLoop(section, [(states, actions)])
        before = [parameter.clone() for parameter in bare.modules.parameters()]
        bare.run(2)
        assert bare.parameters == count_parameters(SkillModel(section, 30, 9))
        assert all(not torch.equal(a, b) for a, b in zip(before, bare.modules.parameters(), strict=True))

    def test_both_loops_run_in_turn(self) -> None:
        measurements = skills.measure(0.1, SilentReporter(), block=2, episodes=3)
        assert len(measurements) == len(skills.VARIANTS)
        for measurement in measurements:
            assert len(measurement.parts["real_blocks"]) == len(measurement.parts["bare_blocks"]) >= 1
            assert measurement.value > 0 and measurement.parts["matmuls"] > 0


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="pins processes to two cores"
)
def test_rl_measures_the_run_and_its_halves() -> None:
    before = os.sched_getaffinity(0)
    (measurement,) = rl.measure(0.1, SilentReporter(), block_seconds=0.1)
    assert all(measurement.parts[name] > 0 for name in ("env_steps_per_second", "environment_alone", "updates_alone"))
    assert len(measurement.parts["blocks"]) == 1 and 0 < measurement.parts["processor_share"]
    assert os.sched_getaffinity(0) == before


class TestCommand:
    def test_json_is_all_that_stdout_gets(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(benchmarks, "benchmark", lambda name: few_transitions)
        assert benchmarks.main(["memory", "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["passed"] is True
        assert set(report["machine"]) == {"processor", "cores", "load"}
        assert [measurement["name"] for measurement in report["figures"]] == [
            "replay memory",
            "replay memory with images",
        ]

    def test_a_missed_limit_is_shown_and_exits_with_1(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(memory, "LIMIT", 1)
        monkeypatch.setattr(benchmarks, "benchmark", lambda name: few_transitions)
        assert benchmarks.main(["memory"]) == 1
        assert "FAIL" in capsys.readouterr().out

    @pytest.mark.parametrize("arguments", [["speed"], ["memory", "--seconds", "0"], ["memory", "--seconds", "soon"]])
    def test_wrong_usage_exits_with_2(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit) as exit_:
            benchmarks.main(arguments)
        assert exit_.value.code == 2


class TestPaces:
    def test_variants_are_compared_with_the_recipe(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(paces, "BLOCK", 1)
        found = paces.measure(0.01, SilentReporter(), episodes=4)
        assert [one.name for one in found] == [
            *(f"train-skills, {variant}" for variant in paces.SKILLS),
            *(f"train-rl, per skill, {variant}" for variant in paces.AGENT),
        ]
        for one in found:
            assert one.parts["milliseconds"] > 0 and one.value > 0
            assert (one.value == 1.0) or not one.name.endswith(paces.AS_IT_IS)


class TestThroughput:
    def test_two_cores_give_what_was_measured(self) -> None:
        assert throughput.modelled(561.0, 629.0, 527.0, [2]) == {2: pytest.approx(527.0)}

    def test_the_learner_is_the_limit_on_many_cores(self) -> None:
        slow, quick = (throughput.modelled(500.0, updates, 400.0, [2, 8, 64]) for updates in (600.0, 3000.0))
        assert slow[8] == slow[64] and slow[2] < slow[8]
        assert quick[2] < quick[8] == quick[64]
        assert slow[64] / slow[2] == pytest.approx(600.0 / (2 / (1 / 500 + 1 / 600)))
