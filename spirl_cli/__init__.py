"""spirl: skills and a skill prior from demonstrations, then an agent that acts in skills.

The Python interface is small and loads lazily, so that `import spirl_cli` is fast::

    from spirl_cli import load_agent, SkillEnv
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spirl_cli.envs.skill_env import SkillEnv
    from spirl_cli.inference.agent import load_agent

    __version__: str

__all__ = ["SkillEnv", "__version__", "load_agent"]

_EXPORTS = {"load_agent": "spirl_cli.inference.agent", "SkillEnv": "spirl_cli.envs.skill_env"}


def __getattr__(name: str) -> Any:
    """Import an exported name when it is first used (PEP 562)."""
    if name == "__version__":
        return _version()
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    """List the lazy exports too, so that interactive completion shows them."""
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("spirl")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"
