"""The typed form of a recipe: one section per stage, one for the environment.

Unknown keys are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    NonNegativeInt,
    PrivateAttr,
    SerializeAsAny,
    ValidationInfo,
    create_model,
    model_validator,
)

from spirl_cli.domains.registry import read_section
from spirl_cli.domains.section import EnvSection
from spirl_cli.recipe.sections.evaluate import EvaluateSection
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.recipe.sections.prior import TrainPriorSection
from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.recipe.sections.skills import TrainSkillsSection
from spirl_cli.settings import Section, images_of


@cache
def extract_type(env: type[EnvSection]) -> type[ExtractSection]:
    """Return the class of `extract` beside an environment: the settings of its planner have their own type."""
    if env.planner is None:
        return ExtractSection
    settings = (env.planner.settings | None, None)
    return create_model("ExtractSection", __base__=ExtractSection, **{env.planner.key: settings})  # type: ignore[call-overload]


def _read_extract(values: object, info: ValidationInfo) -> object:
    """Give `extract` the type that goes with `env`, which was validated before."""
    env = info.data.get("env")
    if env is None or not isinstance(values, Mapping):
        return values
    section: type[EnvSection] = type(env)
    return extract_type(section).model_validate(dict(values))


class Recipe(Section):
    """A whole pipeline, resolved: inheritance, profile and overrides applied."""

    id: str  # name of a packaged recipe ("kitchen", "paper-kitchen") or the file's stem; no file sets it
    profile: str | None = None  # profile that was chosen with --profile; no file sets it
    # method that was chosen with --method: of `spirl_cli/recipe/methods.yaml` or of the recipe; no file sets it
    method: str | None = None
    description: str = ""  # what the recipe is for, for people
    # seed of every section that names none of its own. Try: several; a seed is the whole pipeline
    seed: NonNegativeInt = 0
    env: Annotated[SerializeAsAny[EnvSection], BeforeValidator(read_section)]  # the environment, which `kind` chooses
    # where trajectories come from and how they are split
    extract: Annotated[SerializeAsAny[ExtractSection], BeforeValidator(_read_extract)]
    train_skills: TrainSkillsSection = TrainSkillsSection()  # training of the skill encoder and decoder
    train_prior: TrainPriorSection = TrainPriorSection()  # training of the skill prior
    train_rl: TrainRLSection = TrainRLSection()  # reinforcement learning with skills as actions
    evaluate: EvaluateSection = EvaluateSection()  # rollouts of the agent and what is made from them
    _named: Callable[[], Recipe] | None = PrivateAttr(None)
    _earlier: Mapping[str, Any] = PrivateAttr(default_factory=dict)

    def known_as(self, named: Callable[[], Recipe], earlier: Mapping[str, Any] | None = None) -> Self:
        """Return the recipe that knows what overrides have changed.

        Args:
            named: returns the recipe without them.
            earlier: what had been changed in that one already, value by dotted key.
        """
        recipe = self.model_copy()
        recipe._named, recipe._earlier = named, earlier or {}
        return recipe

    @property
    def named(self) -> tuple[Recipe, Mapping[str, Any]]:
        """The recipe without overrides, and what had been changed in it already, value by dotted key."""
        return (self if self._named is None else self._named()), self._earlier

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
    def _images_are_stored_or_drawn(self) -> Recipe:
        if self.env.draws_images and images_of(self.extract.observation or ()):
            raise ValueError(
                f"images of env.kind '{self.env.kind}' are drawn from states. Leave `image` out of extract.observation"
            )
        return self

    @model_validator(mode="after")
    def _networks_carry_over(self) -> Recipe:
        """Networks that see the whole state of the demonstrations cannot act where it has another size."""
        planner = self.env.planner
        mismatch = self.env.mismatch(getattr(self.extract, planner.key)) if planner is not None else None
        if mismatch is None:
            return self
        looking: dict[str, TrainSkillsSection | TrainPriorSection] = {}
        if self.train_skills.model == "closed-loop":
            looking["train_skills"] = self.train_skills
        if self.train_rl.regularizer == "prior" or self.train_rl.initial_policy == "prior":
            looking["train_prior"] = self.train_prior
        for name, section in looking.items():
            if section.image is None and section.state_indices is None:
                raise ValueError(
                    f"{mismatch}: set {name}.image, or {name}.state_indices to numbers that mean the same in both"
                )
        return self
