"""How a row of results describes its agent: method, data, nominal steps."""

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
    """Name the method that a combination of skills and training amounts to (docs/methods.md#the-methods).

    Combinations that are nobody's method (the paper's ablations: the prior as initialisation
    alone, or as regulariser alone) get a name that says so.

    Args:
        model: kind of the decoder: closed-loop, open-loop or primitive.
        section: how the agent was trained.
        env: where; in some domains what the paper calls SPiRL is open-loop.
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
    """Name a prior rollout: an agent at step 0 is its prior, so rows of different skills can be told apart.

    Args:
        model: kind of the decoder: closed-loop, open-loop or primitive.
        env: where; in some domains what the paper calls SPiRL is open-loop.
    """
    if model == "primitive":
        return "flat-prior"
    apart = domain_of(env).setting(env).open_loop_apart
    return "spirl-open-loop" if apart and model == "open-loop" else "prior"


def nominal_steps(section: TrainRLSection, step: int) -> int:
    """Return environment steps with the warm-up counted, also where training left it off its axis."""
    return step + section.warmup_steps if section.parity.uncounted_warmup else step


def training_data(artifact: Artifact) -> str | None:
    """Name the dataset behind an artifact: as recorded by the clips that it comes from.

    Where those are gone, as they are for an artifact that ships alone, its own recipe says it.
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
    """Leave out the folders of a file: they mean nothing on another machine."""
    path = Path(name)
    return path.name if path.is_absolute() or path.suffix else name
