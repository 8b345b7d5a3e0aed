"""The typed form of a recipe: one section per stage, one for the environment.

Unknown keys are refused.
"""

from __future__ import annotations

from pydantic import NonNegativeInt, model_validator

from spirl_cli.domains.sections import BlocksSection, EnvSection
from spirl_cli.recipe.sections.evaluate import EvaluateSection
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.recipe.sections.prior import TrainPriorSection
from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.settings import Section


class Recipe(Section):
    """A whole pipeline, resolved: inheritance, profile and overrides applied."""

    id: str  # name of a packaged recipe ("kitchen", "paper-kitchen") or the file's stem
    profile: str | None = None
    method: str | None = None  # one of the methods of `spirl_cli/recipe/methods.yaml` or of the recipe itself
    description: str = ""
    seed: NonNegativeInt = 0
    env: EnvSection
    extract: ExtractSection
    train_skills: TrainSkillsSection = TrainSkillsSection()
    train_prior: TrainPriorSection = TrainPriorSection()
    train_rl: TrainRLSection = TrainRLSection()
    evaluate: EvaluateSection = EvaluateSection()

    @model_validator(mode="after")
    def _policy_is_like_the_prior(self) -> Recipe:
        rl = self.train_rl
        if rl.policy_family is None:
            return self
        if rl.initial_policy != "prior" or self.train_prior.family != rl.policy_family:
            raise ValueError("train_rl.policy_family 'mixture' needs train_prior.family: mixture to start from")
        if rl.squash != "none":
            raise ValueError("train_rl.policy_family 'mixture' needs train_rl.squash: none")
        return self

    @model_validator(mode="after")
    def _networks_carry_over(self) -> Recipe:
        """Networks that see all blocks of the demonstrations cannot act where there are others."""
        env, planner = self.env, self.extract.blocks_planner
        if not isinstance(env, BlocksSection) or planner is None or planner.blocks == env.blocks:
            return self
        looking: dict[str, TrainSkillsSection | TrainPriorSection] = {}
        if self.train_skills.model == "closed-loop":
            looking["train_skills"] = self.train_skills
        if self.train_rl.regularizer == "prior" or self.train_rl.initial_policy == "prior":
            looking["train_prior"] = self.train_prior
        for name, section in looking.items():
            if section.image is None and section.state_indices is None:
                raise ValueError(
                    f"there are {planner.blocks} blocks in the demonstrations and {env.blocks} in the environment: "
                    f"set {name}.image, or {name}.state_indices to numbers of the gripper"
                )
        return self
