"""The description of an agent in a row of results: method, data, nominal steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from spirl_cli.domains.registry import domain_of
from spirl_cli.domains.section import EnvSection
from spirl_cli.recipe.sections.rl import TrainRLSection
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.lineage import Ancestor
from spirl_cli.store.store import Store


def method_name(model: str, section: TrainRLSection, env: EnvSection) -> str:
    """Return the name of the method that combines these skills and this training (docs/methods.md#the-methods).

    Combinations without a name in the literature (the paper's ablations: the prior only as initialisation, or only as
    regulariser) get a descriptive name.

    Args:
        model: kind of the decoder: closed-loop, open-loop or primitive.
        section: how the agent was trained.
        env: the environment; in some domains the paper's SPiRL is open-loop.
    """
    start, pull = section.initial_policy == "prior", section.regularizer == "prior"
    if start and pull:
        open_loop = "spirl-open-loop" if domain_of(env).setting(env).open_loop_apart else "spirl"
        return {"primitive": "flat-prior", "open-loop": open_loop}.get(model, "spirl")
    if model == "primitive" and not pull:
        return "bc-sac" if start else "sac"
    if not start and not pull:
        return "no-prior"
    return "prior-as-start-only" if start else "prior-as-regularizer-only"


def prior_name(model: str, env: EnvSection) -> str:
    """Return the method name of a prior rollout, which tells the kinds of skills apart.

    Args:
        model: kind of the decoder: closed-loop, open-loop or primitive.
        env: the environment; in some domains the paper's SPiRL is open-loop.
    """
    if model == "primitive":
        return "flat-prior"
    apart = domain_of(env).setting(env).open_loop_apart
    return "spirl-open-loop" if apart and model == "open-loop" else "prior"


def nominal_steps(section: TrainRLSection, step: int) -> int:
    """Return environment steps with the warm-up, which some training leaves off its axis."""
    return step + section.warmup_steps if section.parity.uncounted_warmup else step


def training_data(artifact: Artifact) -> str | None:
    """Return the name of an artifact's dataset, as its clips recorded it.

    If the clips are gone, as for an artifact that ships alone, the artifact's recipe tells the name.
    """
    store = Store(artifact.path.parent.parent.parent)
    recorded = next(_datasets(store.lineage(artifact)), None)
    if recorded is not None:
        return _short(recorded.record.reference.partition(":")[2])
    planned = artifact.manifest.recorded("recipe", "extract", "dataset")
    return _short(planned) if isinstance(planned, str) else None


def _datasets(ancestors: Iterable[Ancestor]) -> Iterator[Ancestor]:
    for ancestor in ancestors:
        if ancestor.status == "dataset":
            yield ancestor
        yield from _datasets(ancestor.inputs)


def _short(name: str) -> str:
    """Leave out the folders of a file, which mean nothing on another computer."""
    path = Path(name)
    return path.name if path.is_absolute() or path.suffix else name
