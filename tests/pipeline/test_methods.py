"""The methods of the paper: what each is put together from, and that nothing which it needs is hidden."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from spirl_cli.errors import UsageError
from spirl_cli.evaluation.naming import method_name
from spirl_cli.pipeline.graph import for_recipe, stage
from spirl_cli.recipe.layers import packaged_methods
from spirl_cli.recipe.library import check_recipe
from spirl_cli.recipe.load import load_recipe
from spirl_cli.recipe.schema import Recipe
from spirl_cli.rl.sac import SAC
from spirl_cli.skills.families import make_prior
from spirl_cli.skills.networks import Normalizer
from spirl_cli.skills.prior import StandardNormal
from spirl_cli.store.artifact import Artifact
from tests.support.commands import MakeWorkspace, Workspace

RECIPES = ("kitchen", "maze", "gymnasium", "paper/kitchen", "paper/maze")
FLAT = ("flat-prior", "bc-sac", "sac")
WITH_PRIOR = ("spirl", "spirl-open-loop", "flat-prior")
FROM_PRIOR = (*WITH_PRIOR, "bc-sac")
WITHOUT_PRIOR = ("no-prior", "bc-sac", "sac")
LATENT, STATE = 2, 3


def learner(recipe: Recipe) -> SAC:
    """The learner of a method, on made-up states and actions."""
    torch.manual_seed(0)
    normalizer = Normalizer.identity(STATE)
    needs_prior = "prior" in for_recipe(stage("agent"), recipe).inputs
    prior = make_prior(recipe.train_prior, normalizer, LATENT) if needs_prior else StandardNormal(normalizer, LATENT)
    bounds = torch.tensor([[-2.0] * LATENT, [2.0] * LATENT])
    return SAC(recipe.train_rl, prior, LATENT, torch.Generator().manual_seed(0), bounds=bounds)


class TestComposition:
    @pytest.mark.parametrize("recipe", RECIPES)
    @pytest.mark.parametrize("name", packaged_methods())
    def test_every_recipe_gives_every_method(self, name: str, recipe: str) -> None:
        loaded = load_recipe(recipe, method=name)
        env, model = loaded.env, loaded.train_skills.model
        expected = "spirl" if name == "spirl-open-loop" and env.kind == "maze" else name
        if name == "spirl" and model == "open-loop" and env.kind != "maze":
            expected = "spirl-open-loop"
        assert loaded.method == name and method_name(model, loaded.train_rl, env) == expected
        assert (model == "primitive") == (name in FLAT)
        assert loaded.train_rl.updates_per_step == 1 or name not in FLAT
        if name in FLAT:  # one action at a time, and states only
            assert loaded.train_skills.horizon == 1
            assert loaded.train_prior.image is None and loaded.train_prior.state_indices is None
            assert all(part.key != "image" for part in env.observation)

    @pytest.mark.parametrize("name", packaged_methods())
    def test_the_policy_starts_from_the_prior_or_from_scratch(self, name: str) -> None:
        sac = learner(load_recipe("gymnasium", method=name))
        states = torch.randn(6, STATE)
        if name in FROM_PRIOR:
            assert torch.equal(sac.policy(states).mean, sac.prior(states).mean)
        else:
            assert isinstance(sac.prior, StandardNormal)
            assert not torch.allclose(sac.policy(states).mean, sac.prior(states).mean)

    @pytest.mark.parametrize("name", packaged_methods())
    def test_the_regulariser_is_the_prior_or_the_entropy(self, name: str) -> None:
        sac = learner(load_recipe("gymnasium", method=name))
        with torch.no_grad():
            sac.policy.network[-1].bias += 0.1
            before = sac.choices(torch.ones(400, STATE)).penalty
            for weight in sac.prior.parameters():
                weight.mul_(0.5)  # only D changes with the prior
            after = sac.choices(torch.ones(400, STATE)).penalty
        assert (abs(float(after.mean() - before.mean())) > 0.3 * float(before.std())) == (name in WITH_PRIOR)
        target = sac.section.target_divergence if name in WITH_PRIOR else LATENT
        assert sac.target_penalty == target

    @pytest.mark.parametrize("name", WITHOUT_PRIOR)
    def test_without_a_prior_actions_fill_their_range_and_no_more(self, name: str) -> None:
        sac = learner(load_recipe("gymnasium", method=name))
        with torch.no_grad():
            sac.policy.network[-1].weight.mul_(20)
        actions = sac.act(100 * torch.randn(200, STATE).numpy())
        assert 1.9 < actions.max() <= 2.0 and -2.0 <= actions.min() < -1.9

    @pytest.mark.parametrize("recipe", RECIPES)
    @pytest.mark.parametrize("name", WITHOUT_PRIOR)
    def test_the_target_entropy_is_within_reach(self, name: str, recipe: str) -> None:
        sac = learner(load_recipe(recipe, method=name))
        with torch.no_grad():
            sac.policy.network[-1].bias[LATENT:] = -20.0  # log σ, as small as it gets
            log_prob = sac.choices(torch.ones(400, STATE)).penalty
        assert log_prob.mean() > sac.target_penalty

    def test_recipes_may_change_methods_and_add_some(self, tmp_path: Path) -> None:
        (tmp_path / "base.yaml").write_text(
            "extends: kitchen\nmethods:\n  sac: {train_rl: {critics: 5}}\n"
            "  start-only: {train_rl: {regularizer: entropy}}\n"
        )
        (tmp_path / "mine.yaml").write_text("extends: base.yaml\nmethods:\n  sac: {train_rl: {batch_size: 64}}\n")
        sac = load_recipe(tmp_path / "mine.yaml", method="sac", profile="quick", overrides=["train_rl.discount=0.9"])
        assert (sac.train_rl.critics, sac.train_rl.batch_size, sac.train_rl.discount) == (5, 64, 0.9)
        assert sac.train_rl.regularizer == "entropy" and sac.train_rl.steps == 2000  # of the profile
        start = load_recipe(tmp_path / "mine.yaml", method="start-only")
        assert method_name(start.train_skills.model, start.train_rl, start.env) == "prior-as-start-only"
        assert check_recipe(tmp_path / "mine.yaml") == []

    def test_mistakes_in_methods_are_found(self, tmp_path: Path) -> None:
        mine = tmp_path / "mine.yaml"
        mine.write_text("extends: kitchen\nmethods:\n  sac: {train_rl: {critic: 5}}\n")
        (problem,) = check_recipe(mine)
        assert "mine.yaml:3:20" in problem and "Did you mean 'critics'?" in problem and "method 'sac'" in problem
        with pytest.raises(UsageError, match=r"no method 'spril'.*Did you mean 'spirl'") as caught:
            load_recipe("kitchen", method="spril")
        assert "flat-prior" in caught.value.hint

    def test_a_recipe_without_a_method_is_as_it_stands(self) -> None:
        plain, spirl = (load_recipe("kitchen", method=method) for method in (None, "spirl"))
        assert plain.method is None
        assert plain == spirl.model_copy(update={"method": None})

    def test_bounds_are_for_primitive_actions(self, workspace: MakeWorkspace) -> None:
        work = workspace("clips", "skills", "prior")
        done = work.spirl("train-rl", "swing.yaml", "--set", "train_rl.squash=bounds", code=2)
        assert "squash 'bounds' is for primitive actions" in done.stderr


class TestNeeds:
    @pytest.mark.parametrize(
        ("name", "inputs"),
        [
            ("spirl", ("skills", "prior")),
            ("no-prior", ("skills",)),
            ("flat-prior", ("skills", "prior")),
            ("bc-sac", ("skills", "prior")),
            ("sac", ("clips", "skills")),
        ],
    )
    def test_an_agent_reads_what_its_method_needs(self, name: str, inputs: tuple[str, ...]) -> None:
        assert for_recipe(stage("agent"), load_recipe("gymnasium", method=name)).inputs == inputs

    def test_what_is_missing_is_asked_for_by_name(self, workspace: MakeWorkspace) -> None:
        work = workspace("clips", "skills", "prior")
        done = work.spirl("train-rl", "swing.yaml", "--method", "bc-sac", code=3)
        assert "needs the skills that the recipe 'swing' plans" in done.stderr
        assert "spirl train-skills swing.yaml --method bc-sac" in done.stderr
        plan = plan_of(work, "no-prior")
        assert plan == {"clips": "up to date", "skills": "up to date", "agent": "run", "evaluation": "run"}
        assert list(plan_of(work, "bc-sac").values()) == ["run"] * 5

    def test_recipe_show_prints_a_method(self, workspace: MakeWorkspace) -> None:
        shown = json.loads(workspace().spirl("recipe", "show", "swing.yaml", "--method", "sac", "--json").stdout)
        assert shown["method"] == "sac" and shown["train_rl"]["squash"] == "bounds"


def plan_of(work: Workspace, method: str) -> dict[str, str]:
    plan: list[dict[str, Any]]
    plan = json.loads(work.spirl("run", "swing.yaml", "--method", method, "--dry-run", "--json").stdout)["plan"]
    return {each["stage"]: each["status"] for each in plan}


QUICK = ["--set", "train_rl.steps=200", "--set", "train_rl.snapshots=[]", "--set", "evaluate.episodes=2"]


@pytest.mark.slow
def test_every_method_goes_through_the_whole_pipeline(workspace: MakeWorkspace) -> None:
    """Side by side, each found again: what one method makes does not make another's stale."""
    work = workspace("clips", "skills", "prior")
    for name in packaged_methods():
        done = work.spirl("run", "swing.yaml", "--method", name, *QUICK, "--json")
        manifest = Artifact.open(work.folder / json.loads(done.stdout)["path"]).manifest
        assert manifest.extra["method"] == name and manifest.extra["recipe"]["method"] == name
    for name in packaged_methods():
        again = work.spirl("evaluate", "swing.yaml", "--method", name, *QUICK)
        assert "up to date" in again.stderr
    agents = list((work.folder / "artifacts/swing/agent").glob("v*"))
    assert len(agents) == len(packaged_methods())
    cloned = json.loads(
        work.spirl("evaluate", "swing.yaml", "--prior-only", "--method", "bc-sac", *QUICK, "--json").stdout
    )
    assert Artifact.open(work.folder / cloned["path"]).manifest.extra["method"] == "flat-prior"


@pytest.mark.slow
@pytest.mark.parametrize("family", ["mixture", "flow", "ensemble"])
def test_every_family_of_priors_goes_through_the_whole_pipeline(family: str, workspace: MakeWorkspace) -> None:
    work = workspace("clips", "skills")
    chosen = ["--set", f"train_prior.family={family}", *QUICK]
    done = json.loads(work.spirl("run", "swing.yaml", *chosen, "--json").stdout)
    prior, agent = (next(each for each in done["stages"] if each["stage"] == name) for name in ("prior", "agent"))
    assert "validation/log_likelihood" in prior["metrics"] and agent["status"] == "done"
    rolled = json.loads(work.spirl("evaluate", "swing.yaml", "--prior-only", *chosen, "--json").stdout)
    assert rolled["metrics"].keys() == {"return/sampled", "return/mean"}
