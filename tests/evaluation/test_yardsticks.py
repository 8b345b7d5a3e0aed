"""What every evaluation compares an agent with, and what is said where the agent is worse than its prior."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from spirl_cli.evaluation.below_prior import below_prior
from spirl_cli.evaluation.episodes import read_episodes
from spirl_cli.evaluation.results import read_rows, read_yardsticks
from spirl_cli.stages.evaluate import execute
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store
from spirl_cli.store.writer import open_run
from tests.support.agent_data import evaluation_context, make_agent, make_skills_and_prior, pendulum_recipe
from tests.support.commands import MakeWorkspace
from tests.support.reporters import Recorder
from tests.support.result_rows import make_row

SCORE = {"mean": -3.0, "low": -4.0, "high": -2.0, "interval": "95 % Student's t", "episodes": 8}


def with_prior(store: Store, **recipe: Any) -> Artifact:
    """An agent that was made from a prior, which was made from clips with a score."""
    chosen = pendulum_recipe(**recipe)
    with open_run(store, chosen.id, "clips", "c" * 12) as run:
        (run.folder / "clips.hdf5").write_bytes(b"clips")
        clips = run.commit(
            stage_version=1,
            parameters={},
            inputs={},
            seed=0,
            keep=("clips.hdf5",),
            extra={"demonstrations": {"return": SCORE}},
        )
    prior = make_skills_and_prior(store, chosen)["prior"]
    agent = make_agent(store, chosen)
    inputs = {"prior": prior.as_input(), "clips": clips.as_input()}
    with open_run(store, chosen.id, "agent", "e" * 12) as run:
        for output in agent.manifest.outputs:
            path = run.folder / output.file
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(agent.file(output.file).read_bytes())
        keep = ("decoder.safetensors", "policy.safetensors", "snapshots")
        parameters, extra = agent.manifest.parameters, agent.manifest.extra
        return run.commit(stage_version=1, parameters=parameters, inputs=inputs, seed=1, keep=keep, extra=extra)


def evaluated(store: Store, folder: Path, agent: Artifact, **evaluate: Any) -> tuple[Path, Recorder]:
    recipe = pendulum_recipe(evaluate={"policies": ["sampled"], "snapshots": False, **evaluate})
    context = replace(evaluation_context(folder, recipe, {"agent": agent}), reporter=(said := Recorder()))
    result = execute(context)
    with open_run(store, "pendulum", "evaluation", f"{len(store.artifacts()):012x}") as run:
        for name in result.keep:
            (folder / name).rename(run.folder / name)
        made = run.commit(
            stage_version=1,
            parameters=context.parameters,
            inputs={"agent": agent.as_input()},
            seed=0,
            keep=result.keep,
            extra=result.extra,
        )
    return made.path, said


def test_prior_skills_without_it_and_demonstrations_stand_beside_the_agent(store: Store, tmp_path: Path) -> None:
    agent = with_prior(store)
    path, _ = evaluated(store, tmp_path / "run", agent)
    rows = read_yardsticks(path / "results.json")
    assert [(row.method, row.policy, row.env_steps, row.episodes) for row in rows] == [
        ("prior", "sampled", 0, 5),
        ("no-prior", "sampled", 0, 5),
        ("demonstrations", "recorded", 0, 8),
    ]
    assert rows[2].mean == -3.0 and rows[0].interval == "95 % Student's t"
    assert [(row.method, row.env_steps) for row in read_rows(path / "results.json")] == [("spirl", 1000)]


def test_they_change_nothing_of_the_agents_own_episodes(store: Store, tmp_path: Path) -> None:
    agent = with_prior(store)
    with_them, _ = evaluated(store, tmp_path / "one", agent)
    without, _ = evaluated(store, tmp_path / "other", agent, yardsticks=0)
    assert not (without / "yardsticks.csv").exists()
    assert (with_them / "episodes.csv").read_bytes() == (without / "episodes.csv").read_bytes()
    own = [json.loads((path / "results.json").read_text())["rows"] for path in (with_them, without)]
    assert own[0] == own[1]


def test_they_are_played_once_for_all_evaluations(store: Store, tmp_path: Path) -> None:
    agent = with_prior(store)
    first, _ = evaluated(store, tmp_path / "one", agent)
    second, said = evaluated(store, tmp_path / "other", agent, yardsticks=3)
    assert [text for text in said.messages if "was played for pendulum/evaluation@v1" in text]
    ours, theirs = (read_episodes(path / "yardsticks.csv") for path in (first, second))
    assert [group.episodes[:3] for group in ours] == [group.episodes for group in theirs]
    other, said = evaluated(store, tmp_path / "third", agent, seed=7)
    assert not said.messages and read_episodes(other / "yardsticks.csv") != ours


class TestBelowThePrior:
    PRIOR = make_row(method="prior", mean=3.0, low=2.8, high=3.2, env_steps=0)

    def said(self, *rows: Any, signs: tuple[str, ...] = ()) -> list[str]:
        return list(below_prior(rows, [self.PRIOR], "spirl", signs, "kitchen/agent@v1"))

    def test_a_worse_agent_is_named_with_number_cause_and_remedy(self) -> None:
        (text,) = self.said(make_row(), signs=("alpha has risen",))
        assert "2.5 [2.40, 2.60] after 200,000 steps" in text and "3 [2.80, 3.20]" in text
        assert "Training said: alpha has risen" in text and "--agent kitchen/agent@v1 --step best" in text
        assert "no sign was seen" in self.said(make_row())[0]

    def test_intervals_that_touch_say_nothing(self) -> None:
        assert self.said(make_row(high=2.9)) == []

    def test_a_snapshot_that_was_worse_is_told_from_the_end(self) -> None:
        (text,) = self.said(make_row(env_steps=50_000), make_row(mean=3.5, low=3.3, high=3.7))
        assert "for a while (at 50,000 steps), not at the end" in text


def test_a_recipe_turns_them_off_or_says_how_many(workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills", "prior", "agent")
    few = work.artifact("evaluate", "swing.yaml", "--set", "evaluate.yardsticks=2", "--episodes", "3")
    groups = read_episodes(few / "yardsticks.csv")
    assert [(group.method, len(group.episodes)) for group in groups] == [("prior", 2), ("no-prior", 2)]
    assert "prior" in work.spirl("table", "swing/evaluation").stdout
