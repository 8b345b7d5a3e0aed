"""What every evaluation compares an agent with: its prior, its skills without a prior, and the demonstrations."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from spirl_cli.demos.score import SCORE
from spirl_cli.domains.registry import domain_of
from spirl_cli.errors import ArtifactError
from spirl_cli.evaluation.episodes import PolicyEpisodes, read_episodes
from spirl_cli.evaluation.naming import prior_name
from spirl_cli.evaluation.results import Provenance, ResultRow, result_rows, yardstick_row
from spirl_cli.evaluation.statistics import Estimate
from spirl_cli.payload import CLIPS, EVALUATION, PRIOR, PRIOR_FILE, YARDSTICKS_FILE
from spirl_cli.stages.context import StageContext
from spirl_cli.stages.policy_set import PolicySet, Target
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.diff import differences
from spirl_cli.store.fingerprint import sha256_file
from spirl_cli.store.lineage import Ancestor
from spirl_cli.store.store import Store

NO_PRIOR, DEMONSTRATIONS, RECORDED = "no-prior", "demonstrations", "recorded"
MADE_FROM = "yardsticks"  # in the manifest of an evaluation: checksums of the weights behind its yardsticks
Play = Callable[[Target, int], PolicyEpisodes]


@dataclass(frozen=True)
class Yardsticks:
    """What an evaluation compares with.

    Attributes:
        played: episodes of the prior and of skills without it.
        rows: their rows, and those of the demonstrations.
        made_from: a checksum of the weights of each by its method, by which later evaluations find the episodes again.
    """

    played: tuple[PolicyEpisodes, ...]
    rows: tuple[ResultRow, ...]
    made_from: dict[str, str]


def yardsticks_of(
    context: StageContext,
    policies: PolicySet,
    evaluated: Sequence[PolicyEpisodes],
    play: Play,
    provenance: Provenance,
) -> Yardsticks:
    """Play the yardsticks, unless this evaluation or an earlier one has played these very episodes.

    Args:
        context: of the stage.
        policies: what is evaluated.
        evaluated: its episodes.
        play: plays so many episodes of a policy.
        provenance: for the rows.
    """
    section, env = context.recipe.evaluate, context.recipe.env
    count = section.episodes if section.yardsticks is None else section.yardsticks
    targets = list(_targets(context, policies)) if count else []
    made_from = {target.method: _made_from(policies, target) for target in targets}
    played = []
    for target in targets:
        found = _own(target, evaluated, count) or _earlier(context, policies, target, count, made_from[target.method])
        played.append(found or play(target, count))
    rows = result_rows(played, env, provenance, resamples=section.bootstrap, seed=section.seed or 0)
    return Yardsticks(tuple(played), (*rows, *_demonstrations(context, policies, provenance)), made_from)


def _targets(context: StageContext, policies: PolicySet) -> Iterator[Target]:
    """Yield the prior, where it is another policy than what is evaluated and still there, then N(0, I)."""
    kind = policies.decoder.header.kind
    if policies.artifact.manifest.stage != PRIOR:
        prior = _ancestor(policies.artifact, PRIOR)
        if prior is not None:
            yield Target(prior_name(kind, context.recipe.env), "sampled", 0, prior.file(PRIOR_FILE))
    if kind != "primitive":
        yield Target(NO_PRIOR, "sampled", 0, None)


def _ancestor(artifact: Artifact, stage: str) -> Artifact | None:
    """Return the artifact of a stage that another one was made from; None where it is gone."""
    return next(_found(_store(artifact).lineage(artifact), stage), None)


def _found(ancestors: Sequence[Ancestor], stage: str) -> Iterator[Artifact]:
    for ancestor in ancestors:
        if ancestor.name == stage and ancestor.artifact is not None:
            yield ancestor.artifact
        yield from _found(ancestor.inputs, stage)


def _store(artifact: Artifact) -> Store:
    return Store(artifact.path.parent.parent.parent)


def _made_from(policies: PolicySet, target: Target) -> str:
    """Return a checksum of all that decides a yardstick but the environment and the seed."""
    weights = "" if target.weights is None else sha256_file(target.weights)
    parts = (sha256_file(policies.decoder.path), str(policies.decoder.squashed), target.kind, weights)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _own(target: Target, evaluated: Sequence[PolicyEpisodes], count: int) -> PolicyEpisodes | None:
    """Return the episodes of a baseline that the recipe asks for anyway."""
    return _first(evaluated, target, count) if target.weights is None else None


def _earlier(
    context: StageContext, policies: PolicySet, target: Target, count: int, made_from: str
) -> PolicyEpisodes | None:
    """Return the same episodes from an earlier evaluation in the store of the agent."""
    seed = context.recipe.evaluate.seed or 0
    for other in reversed(_store(policies.artifact).artifacts(stage=EVALUATION)):
        manifest = other.manifest
        if manifest.recorded(MADE_FROM, target.method) != made_from or manifest.seed != seed:
            continue
        if differences({"env": manifest.parameters.get("env")}, {"env": context.parameters.get("env")}):
            continue
        try:
            found = _first(read_episodes(other.file(YARDSTICKS_FILE)), target, count)
        except ArtifactError:
            continue
        if found is not None:
            context.reporter.message(f"evaluate: {target.method} was played for {other.reference}")
            return found
    return None


def _first(groups: Sequence[PolicyEpisodes], target: Target, count: int) -> PolicyEpisodes | None:
    """Return the first episodes of a policy, which depend on the seed and their number alone."""
    for group in groups:
        same = (group.method, group.policy, group.env_steps) == (target.method, target.kind, target.env_steps)
        if same and len(group.episodes) >= count:
            return replace(group, episodes=group.episodes[:count])
    return None


def _demonstrations(context: StageContext, policies: PolicySet, provenance: Provenance) -> Iterator[ResultRow]:
    """Yield what the demonstrations themselves have, as the clips noted it when they were extracted."""
    clips = _ancestor(policies.artifact, CLIPS)
    score = None if clips is None else clips.manifest.recorded(SCORE)
    if not isinstance(score, dict):
        return
    env = context.recipe.env
    for metric in domain_of(env).metrics(env):
        ends = domain_of(env).setting(env).success == "last"
        values = score.get("success_last" if metric.name == "success" and ends else metric.name)
        if isinstance(values, dict) and isinstance(values.get("episodes"), int):
            found = Estimate(**{key: values[key] for key in asdict(Estimate(0.0, 0.0, 0.0, ""))})
            yield yardstick_row(DEMONSTRATIONS, RECORDED, metric.name, found, values["episodes"], env, provenance)
