"""What `spirl report --skills REF` shows: skills acted out in the environment of their recipe."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spirl_cli.cli.console import note
from spirl_cli.cli.trust import require_trust
from spirl_cli.errors import ArtifactError, UsageError
from spirl_cli.payload import AGENT, DECODER_FILE, PRIOR, PRIOR_FILE, SKILLS

if TYPE_CHECKING:
    from spirl_cli.domains.section import EnvSection
    from spirl_cli.evaluation.skill_trials import Floats, Proposal, Trial
    from spirl_cli.inference.decoders import DecoderFile
    from spirl_cli.recipe.schema import Recipe
    from spirl_cli.store.artifact import Artifact
    from spirl_cli.store.store import Store

_EPISODES = 3
_FILMED_AXES = 5
_FILMED_VALUES = (-2.0, 2.0)


@dataclass(frozen=True)
class SkillsAsked:
    """What the options say: artifacts, numbers of the state such as `0:3,7`, videos, trusted modules."""

    skills: str
    prior: str | None
    state: str | None
    video: bool
    trusted: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    """The artifacts: whose decoder acts, by which recipe, and whose network proposes skills, if any."""

    acting: Artifact
    recipe: Recipe
    decoder: DecoderFile
    proposing: Artifact | None
    network: Path | None


def skills_text(asked: SkillsAsked, store: Store) -> str:
    """Act out skills and return the page about them.

    Raises:
        ArtifactError: an artifact is missing or damaged, or does not know its recipe.
        UsageError: an option does not fit, or the environment needs a module that is not trusted.
    """
    from spirl_cli.evaluation.skill_trials import Stage
    from spirl_cli.inference.policies import load_policy
    from spirl_cli.report.skills_page import SkillStudy, skills_page

    found = _find(asked, store)
    section = found.recipe.env
    require_trust(section, found.acting.reference, asked.trusted)
    stage = Stage(section, found.decoder.load(), 0)
    try:
        proposals: list[Proposal] = []
        if found.network is not None:
            note(f"{_EPISODES} episodes of {found.proposing.reference if found.proposing else ''}")
            proposals = stage.proposals(load_policy(found.network, "sampled"), _EPISODES)
        note(f"{stage.latent_dim} axes of the skills of {found.acting.reference}")
        before = _middle(proposals)
        places = {"From the start of an episode": stage.trials()}
        if before:
            places[f"From the middle of an episode, after {len(before)} skills of the prior"] = stage.trials(before)
        chosen = _numbers(asked.state, places)
    finally:
        stage.close()
    films, why = _films(found, section, next(iter(places.values()))) if asked.video else ({}, "")
    study = SkillStudy(f"Skills of {found.acting.reference}", _facts(found), places, proposals, chosen, films, why)
    return skills_page(study)


def _find(asked: SkillsAsked, store: Store) -> _Found:
    from spirl_cli.inference.agent import agent_decoder, policy_file
    from spirl_cli.inference.decoders import DecoderFile
    from spirl_cli.store.store import look_up

    named = look_up(store, lambda one: one.resolve(asked.skills))
    stage = named.manifest.stage
    if stage == AGENT:
        return _Found(named, _recipe(named), agent_decoder(named), named, policy_file(named))
    if stage not in (SKILLS, PRIOR):
        raise UsageError(f"{named.reference} has no skills.", f"name {SKILLS}, a {PRIOR} or an {AGENT}")
    known = [*store.artifacts(), named]
    skills = named if stage == SKILLS else _input(named, known)
    prior = named if stage == PRIOR else _newest_prior(skills, known)
    if asked.prior is not None:
        prior = look_up(store, lambda one: one.resolve(str(asked.prior), stage=PRIOR))
    recipe = _recipe(skills)
    decoder = DecoderFile(skills.file(DECODER_FILE), recipe.train_rl.parity.tanh_actions)
    return _Found(skills, recipe, decoder, prior, None if prior is None else prior.file(PRIOR_FILE))


def _input(prior: Artifact, known: list[Artifact]) -> Artifact:
    record = prior.manifest.inputs[SKILLS]
    for artifact in known:
        if artifact.manifest.stage == SKILLS and artifact.fingerprint == record.fingerprint:
            return artifact
    raise ArtifactError(
        f"{record.reference}, which {prior.reference} was trained with, is not here.", "copy it into the store"
    )


def _newest_prior(skills: Artifact, known: list[Artifact]) -> Artifact | None:
    own = [
        one
        for one in known
        if one.manifest.stage == PRIOR and one.manifest.inputs[SKILLS].fingerprint == skills.fingerprint
    ]
    return own[-1] if own else None


def _recipe(artifact: Artifact) -> Recipe:
    """Return the recipe that an artifact was made by."""
    from spirl_cli.recipe.recorded import recorded_recipe

    data = artifact.manifest.recorded("recipe")
    if not isinstance(data, Mapping):
        raise ArtifactError(f"{artifact.reference} does not say by which recipe it was made.", "make it again")
    return recorded_recipe(data, f"the recipe of {artifact.reference}")


def _middle(proposals: list[Proposal]) -> list[Floats]:
    """Return the first half of the skills of the first episode."""
    first = [one.latent for one in proposals if one.episode == 0]
    return first[: len(first) // 2]


def _numbers(text: str | None, places: Mapping[str, list[Trial]]) -> list[int]:
    """Return the chosen numbers of the state."""
    from spirl_cli.settings import expand_indices

    if text is None:
        return []
    size = next(iter(places.values()))[0].states.shape[1]
    try:
        words = [word.strip() for word in text.split(",")]
        return expand_indices([int(word) if word.isdigit() else word for word in words], size)
    except ValueError as error:
        raise UsageError(f"--state {text}: {error}", f"the state has the numbers 0 to {size - 1}") from None


def _films(found: _Found, section: EnvSection, trials: list[Trial]) -> tuple[dict[tuple[int, float], bytes], str]:
    """Film the ends of the axes with the largest effect, from the start of an episode."""
    import numpy as np

    from spirl_cli.evaluation.skill_films import FilmRequest, film
    from spirl_cli.evaluation.skill_trials import by_effect

    shown = [(axis, value) for axis in by_effect(trials)[:_FILMED_AXES] for value in _FILMED_VALUES]
    latents = np.zeros((len(shown), found.decoder.header.latent_dim))
    for row, (axis, value) in enumerate(shown):
        latents[row, axis] = value
    with tempfile.TemporaryDirectory() as folder:
        request = FilmRequest(
            section.model_dump(mode="json"),
            str(found.decoder.path.resolve()),
            found.decoder.squashed,
            0,
            [],
            latents.tolist(),
            folder,
        )
        note(f"videos of {len(shown)} skills")
        files, why = film(request)
        return {shown[number]: path.read_bytes() for number, path in files.items()}, why


def _facts(found: _Found) -> list[str]:
    header = found.decoder.header
    own = (
        f"{found.acting.reference} ({found.acting.fingerprint}): {header.kind} skills of {header.latent_dim} numbers, "
        f"{header.horizon} steps each."
    )
    if found.proposing is None:
        return [own, "There is no prior of these skills in the store; --prior REF names one."]
    return [own, f"Proposals: {_EPISODES} episodes of {found.proposing.reference} ({found.proposing.fingerprint})."]
