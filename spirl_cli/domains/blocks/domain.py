"""What spirl knows of block stacking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spirl_cli.domains.blocks.geometry import state_size, typical
from spirl_cli.domains.blocks.section import BlocksPlanner, BlocksSection
from spirl_cli.domains.domain import (
    SPIRL_WARMUP_STEPS,
    Domain,
    GeneratedEpisode,
    Generator,
    Images,
    Metric,
    Published,
    PublishedCurve,
    Scales,
    Setting,
    Wanted,
    planned,
)
from spirl_cli.domains.section import EnvSection
from spirl_cli.errors import UsageError
from spirl_cli.observation import select

if TYPE_CHECKING:
    import gymnasium as gym

PLANNER_VERSION = 6  # to be raised when equal settings give different demonstrations than before
ACTIONS = 3
# Read off the paper's figures, ± 0.05.
CURVES = {
    "dense": (
        PublishedCurve("SPiRL", ((50e3, 2.5), (100e3, 3.3), (140e3, 3.65), (600e3, 3.4)), SPIRL_WARMUP_STEPS),
        PublishedCurve("flat prior", ((600e3, 1.0),), SPIRL_WARMUP_STEPS),
        PublishedCurve("other baselines, at most", ((600e3, 0.5),), SPIRL_WARMUP_STEPS),
    ),
    "sparse": (
        PublishedCurve("SPiRL, closed-loop", ((750e3, 3.1), (2.4e6, 3.5)), SPIRL_WARMUP_STEPS),
        PublishedCurve("SPiRL, open-loop", ((3.0e6, 1.9),), SPIRL_WARMUP_STEPS),
    ),
}
NOTE = (
    "Dashed line and grey marks: published, read off ± 0.05 from curves of training episodes; a looser metric, the\n"
    "largest height of any block that is supported. The 50,000 warm-up steps that they leave off the axis are added."
)


class BlocksDomain(Domain):
    """A gripper that stacks blocks in a plane."""

    section = BlocksSection

    def metrics(self, section: EnvSection) -> tuple[Metric, ...]:
        """Return the tower at the end, the highest during the episode, and the published metric."""
        return (
            Metric("stacked", "blocks stacked at the end"),
            Metric("max_stacked", "max_stacked"),
            Metric("height", "height"),
        )

    def make(self, section: EnvSection, render_mode: str | None) -> gym.Env[Any, Any]:
        """Make the table with the recipe's number of blocks."""
        from spirl_cli.domains.blocks.env import BlocksEnv  # needs MuJoCo

        return BlocksEnv(_typed(section), render_mode)

    def demonstrations(self, wanted: Wanted) -> Generator:
        """Return the planner, which picks and places in closed loop.

        Raises:
            UsageError: the selected observation is not the whole state.
        """
        planner = wanted.settings
        assert isinstance(planner, BlocksPlanner), "checked with the recipe"
        everything = np.arange(state_size(planner.blocks), dtype=np.float32)
        if not np.array_equal(select({"state": everything}, wanted.observation), everything):
            raise UsageError(
                "extract.observation must be the whole state, from which images of blocks are drawn",
                "write [{key: state}], and choose what networks see of it with state_indices",
            )
        name = f"blocks-{planner.blocks}"
        return planned(name, _episode, wanted, version=PLANNER_VERSION, actions=ACTIONS, may_fail=True)

    def draw(self, scenes: npt.NDArray[np.bool_] | None, states: np.ndarray) -> Images:
        """Draw the views around the gripper from whole states `(B, 8 + 3·n)`; scenes are not needed."""
        from spirl_cli.domains.blocks import image

        return image.draw(states)

    def setting(self, section: EnvSection) -> Setting:
        """Return the kind of reward."""
        return Setting("blocks", reward=_typed(section).reward)

    def published(self, section: EnvSection) -> Published:
        """Return the paper's curves, which hold for eleven blocks only."""
        blocks = _typed(section)
        return Published(CURVES[blocks.reward], NOTE) if blocks.blocks == 11 else Published()

    def scales(self, section: EnvSection, known: int) -> Scales | None:
        """Return typical values of the state if the environment has more blocks than the demonstrations."""
        blocks = _typed(section)
        chosen = selected_numbers(blocks)
        if not state_size(0) <= known < len(chosen):
            return None
        mean, spread = (values[chosen] for values in typical(blocks.blocks))
        return Scales(mean, spread)


def selected_numbers(section: BlocksSection) -> npt.NDArray[np.intp]:
    """Return the indices of the selected numbers of the state, `(D,)`."""
    return select({"state": np.arange(state_size(section.blocks))}, section.state_parts).astype(np.intp)


def _typed(section: EnvSection) -> BlocksSection:
    assert isinstance(section, BlocksSection)
    return section


def _episode(planner: BlocksPlanner, seed: int, number: int) -> GeneratedEpisode:
    from spirl_cli.domains.blocks.planner import stack_episode  # imports the simulator

    return stack_episode(planner, np.random.SeedSequence(seed, spawn_key=(number,)))
