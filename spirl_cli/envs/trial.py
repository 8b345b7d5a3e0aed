"""A few steps in an environment before hours are spent on training for it."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from spirl_cli.domains.section import EnvSection
from spirl_cli.domains.signals import described
from spirl_cli.envs.make import make_env
from spirl_cli.envs.replayable import ReplayableEnv
from spirl_cli.envs.workers import WorkerEnv, WorkerVector
from spirl_cli.errors import SpirlError, UsageError, told
from spirl_cli.monitor.streams import remember_shown, shown_warnings

EPISODES, STEPS = 3, 5  # that are tried
SILENT_SECONDS = 60.0  # after which a trial that takes so long is talked about
# keys of `info`, and below the first
EARLY, AT_RESET, AT_FIRST_STEP, WARNED = "early", "at the reset", "after the first step", "warned"
_INTERFACE_HINT = (
    "gymnasium's interface: reset(seed=None, options=None) returns (observation, info), step(action) returns "
    "(observation, reward, terminated, truncated, info); the package shimmy wraps older environments"
)


def try_environment(section: EnvSection, warn: Callable[[str], None]) -> None:
    """Make an environment, reset it a few times and step it with random actions, in a process that it may end.

    Args:
        section: the recipe's environment.
        warn: is told of a success that comes too early, and of an environment that takes very long.

    Raises:
        UsageError: it cannot be made, breaks its interface or its declared shapes, fails, or ends its process.
        NotFiniteError: it returns a number that is not finite.
    """
    limit = None if section.step_seconds is None else section.step_seconds * EPISODES * (STEPS + 1)
    with _told_when_silent(warn), closing(WorkerVector([_TrialMaker(section)], limit)) as vector:
        try:
            early = vector.step(vector.action_space.sample())[-1][EARLY]
        except SpirlError as error:
            if error.exit_code != SpirlError.exit_code:
                raise
            raise UsageError(f"the environment was tried: {error.message}", error.hint) from error
    remember_shown(filter(None, str(early[WARNED][0]).split("\0")))
    for when in (AT_RESET, AT_FIRST_STEP):
        if count := int(early[when][0]):
            warn(f"success is true {when} in {count} of {EPISODES} trial episodes; check env.success_key")


@dataclass(frozen=True)
class _TrialMaker:
    """Makes the environment in the process that tries it."""

    section: EnvSection

    def __call__(self) -> gym.Env[Any, Any]:
        return WorkerEnv(_Trial(ReplayableEnv(make_env(self.section), seed=0)), [EARLY])


class _Trial(gym.Wrapper[Any, Any, Any, Any]):
    """One step of it is the whole trial, whose result is in `info`."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        try:
            early = _early_successes(self.env)
        except SpirlError:
            raise
        except BaseException as error:  # whatever a foreign environment raises, sys.exit() too
            raise _explained(self.env, error) from error
        shown = {WARNED: "\0".join(sorted(shown_warnings()))}
        return self.observation_space.sample(), 0.0, False, False, {EARLY: early | shown}


def _early_successes(env: gym.Env[Any, Any]) -> dict[str, int]:
    """Run the trial; count the episodes that succeed before anything is done, or all with the first step."""
    actions = env.action_space
    assert isinstance(actions, gym.spaces.Box)
    rng = np.random.default_rng(0)
    at_reset = at_first_step = 0
    for _ in range(EPISODES):
        at_reset += bool(env.reset()[1].get("success_at_reset"))
        for step in range(STEPS):
            action = rng.uniform(actions.low, actions.high).astype(actions.dtype)
            _, _, terminated, truncated, info = env.step(action)
            at_first_step += step == 0 and info.get("metrics", {}).get("success") == 1.0
            if terminated or truncated:
                break
    return {AT_RESET: at_reset, AT_FIRST_STEP: at_first_step if at_first_step == EPISODES else 0}


def _explained(env: gym.Env[Any, Any], error: BaseException) -> UsageError:
    """Say what the environment itself does wrong, if that can be told; else what was raised."""
    name = f" '{env.spec.id}'" if env.spec is not None else ""
    wrong = _broken_interface(env.unwrapped)
    if wrong is not None:
        return UsageError(f"the environment{name} {wrong}", _INTERFACE_HINT)
    return UsageError(
        f"the environment{name} fails within {STEPS} steps of random actions: {told(error)}",
        "mend it before anything is trained; --debug shows where it fails",
    )


def _broken_interface(env: Any) -> str | None:
    parameters = inspect.signature(env.reset).parameters
    if "seed" not in parameters and all(one.kind is not one.VAR_KEYWORD for one in parameters.values()):
        return "has a reset() that takes no seed"
    try:
        began = env.reset(seed=0)
        if not (isinstance(began, tuple) and len(began) == 2 and isinstance(began[1], dict)):
            return f"returns {described(began)} from reset(), not (observation, info)"
        stepped = env.step(env.action_space.sample())
    except BaseException:
        return None
    if not (isinstance(stepped, tuple) and len(stepped) == 5):
        count = f"{len(stepped)} values" if isinstance(stepped, tuple) else described(stepped)
        return f"returns {count} from step(), not (observation, reward, terminated, truncated, info)"
    return None if isinstance(stepped[4], dict) else f"returns {described(stepped[4])} as info from step()"


@contextmanager
def _told_when_silent(warn: Callable[[str], None]) -> Iterator[None]:
    text = f"the environment is tried, and has been silent for {SILENT_SECONDS:.0f} s"
    timer = threading.Timer(SILENT_SECONDS, warn, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
