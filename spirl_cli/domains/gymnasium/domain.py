"""Any Gymnasium environment: spirl knows only what the recipe says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spirl_cli.domains.domain import RETURN, Domain, Metric, Setting
from spirl_cli.domains.gymnasium.section import GymnasiumSection
from spirl_cli.domains.section import EnvSection

if TYPE_CHECKING:
    import gymnasium as gym


class GymnasiumDomain(Domain):
    """Any environment of Gymnasium's registry, chosen by its id."""

    section = GymnasiumSection

    def metrics(self, section: EnvSection) -> tuple[Metric, ...]:
        """Return success, if the recipe names its key, and the return."""
        success = Metric("success", "success rate", 1.0)
        return (success, RETURN) if _typed(section).success_key is not None else (RETURN,)

    def make(self, section: EnvSection, render_mode: str | None) -> gym.Env[Any, Any]:
        """Make the environment, with success and reward as the recipe defines them.

        Raises:
            UsageError: there is no such environment, or it cannot be made.
        """
        from spirl_cli.domains.gymnasium.env import make_gymnasium
        from spirl_cli.domains.gymnasium.outcome import OutcomeEnv

        return OutcomeEnv(make_gymnasium(_typed(section), render_mode), _typed(section))

    def setting(self, section: EnvSection) -> Setting:
        """Return the environment's id, and which steps count as success."""
        own = _typed(section)
        success = None if own.success_key is None else own.success or "ever"
        words = "" if success is None else f"success at {'any' if success == 'ever' else 'the last'} step"
        return Setting(own.id, noise=own.noise, words=words, success=success)


def _typed(section: EnvSection) -> GymnasiumSection:
    assert isinstance(section, GymnasiumSection)
    return section
