"""A model of `train-rl`'s speed on more cores, from costs that were measured on two."""

from __future__ import annotations

from collections.abc import Sequence

CORES = (2, 4, 8, 16, 32, 64)


def modelled(environment: float, updates: float, together: float, cores: Sequence[int] = CORES) -> dict[int, float]:
    """Return environment steps per second for numbers of cores.

    The learner is one thread: nothing is faster than its updates. Below that, simulators and learner share the cores
    without idle time. What both leave out, such as waiting at the end of a round, is the share of this model that was
    measured on two cores.

    Args:
        environment: steps per second that one core simulates alone.
        updates: steps per second that one core learns from alone.
        together: steps per second of a run on two cores.
        cores: numbers of cores.
    """
    seconds = 1.0 / environment + 1.0 / updates  # of a core, for a step
    bounds = {count: min(updates, count / seconds) for count in {2, *cores}}
    return {count: bounds[count] * together / bounds[2] for count in cores}
