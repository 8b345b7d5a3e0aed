"""The policies in an evaluation: those of an agent or a prior alone, and the baselines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spirl_cli.evaluation.naming import method_name, nominal_steps, prior_name
from spirl_cli.inference.agent import agent_decoder, best_step, policy_file, snapshot_steps
from spirl_cli.inference.decoders import DecoderFile, PrimitiveDecoder, SkillDecoder
from spirl_cli.inference.policies import NormalPolicy, PolicyKind, SkillPolicy, UniformPolicy, load_policy
from spirl_cli.payload import AGENT, BEST, DECODER_FILE, PRIOR, PRIOR_FILE, SKILLS
from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.stages.context import StageContext
from spirl_cli.store.artifact import Artifact


@dataclass(frozen=True)
class Target:
    """One policy to evaluate: its method, its kind, and nominal environment steps of training.

    A baseline has no weights; its name is its method.
    """

    method: str
    kind: PolicyKind
    env_steps: int
    weights: Path | None

    @property
    def label(self) -> str:
        """Name in progress bars and of files."""
        return self.method if self.weights is None else f"{self.kind}-{self.env_steps}"


@dataclass(frozen=True)
class PolicySet:
    """The policies in one evaluation.

    Attributes:
        artifact: the agent or the prior.
        decoder: the decoder of its skills.
        targets: its policies, then the baselines; videos and the saved dataset show the first one.
    """

    artifact: Artifact
    decoder: DecoderFile
    targets: tuple[Target, ...]

    @property
    def method(self) -> str:
        """Name of the evaluated method in rows of results."""
        return self.targets[0].method


def agent_policies(context: StageContext) -> PolicySet:
    """Return the agent to evaluate, with its policies and the baselines.

    Raises:
        ArtifactError: there is no snapshot at the requested step, or no best weights.
    """
    agent = context.inputs[AGENT]
    section = agent.section("train_rl", TrainRLSection.model_validate)
    decoder = agent_decoder(agent)
    method = method_name(decoder.header.kind, section, context.recipe.env)
    targets = (*_agent_targets(context, agent, section, method), *_baselines(context, decoder))
    return PolicySet(agent, decoder, targets)


def _agent_targets(context: StageContext, agent: Artifact, section: TrainRLSection, method: str) -> Iterator[Target]:
    """Yield the final weights with every policy kind, then the snapshots for the learning curve.

    The curve shows the sampled policy, which training optimises.
    """
    evaluate, step = context.recipe.evaluate, context.options.evaluate.step
    final = step is None or step == section.steps
    shown = section.steps if step is None else best_step(agent) if step == BEST else int(step)
    weights = policy_file(agent, None if final else step)
    for kind in evaluate.policies:
        yield Target(method, kind, nominal_steps(section, shown), weights)
    if step is not None or not evaluate.snapshots:
        return
    kind = "sampled" if "sampled" in evaluate.policies else evaluate.policies[0]
    for kept in snapshot_steps(agent):
        if kept != section.steps:
            yield Target(method, kind, nominal_steps(section, kept), policy_file(agent, kept))


def prior_policies(context: StageContext) -> PolicySet:
    """Return the prior to evaluate alone, with the baselines."""
    prior, skills = context.inputs[PRIOR], context.inputs[SKILLS]
    weights = prior.file(PRIOR_FILE)
    decoder = DecoderFile.of(skills.file(DECODER_FILE), context.parameters)
    method = prior_name(decoder.header.kind, context.recipe.env)
    targets = tuple(Target(method, kind, 0, weights) for kind in context.recipe.evaluate.policies)
    return PolicySet(prior, decoder, (*targets, *_baselines(context, decoder)))


def _baselines(context: StageContext, decoder: DecoderFile) -> Iterator[Target]:
    """Yield the recipe's baselines; skills without a prior are left out if there are no skills."""
    primitive = decoder.header.kind == "primitive"
    for name in context.recipe.evaluate.baselines or ():
        if not (primitive and name == "no-prior"):
            yield Target(name, "sampled", 0, None)


def decoder_and_policy(policies: PolicySet, target: Target) -> tuple[SkillDecoder, SkillPolicy]:
    """Return the decoder of skills, and the policy that chooses skills."""
    decoder = policies.decoder.load()
    if target.weights is not None:
        return decoder, load_policy(target.weights, target.kind)
    if target.method == "no-prior":
        return decoder, NormalPolicy(decoder.latent_dim)
    header = policies.decoder.header
    low, high = np.asarray(header.action_low), np.asarray(header.action_high)
    return policies.decoder.with_squash(PrimitiveDecoder(header.action_dim)), UniformPolicy(low, high)
