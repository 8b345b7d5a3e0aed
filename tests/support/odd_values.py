"""Environments that return, or do, one odd thing from a step on. Workers import this too."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import gymnasium as gym
import numpy as np

from tests.support.odd_environments import Cart


class _UnreadableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message")


def _raise(error: BaseException) -> None:
    raise error


def _two(value: Any) -> Any:
    return np.array([value, value])


REWARDS: dict[str, Any] = {
    "none": None,
    "text": "1.0",
    "list": [1.0],
    "dictionary": {"task": 1.0},
    "decimal": Decimal(1),
    "complex": 1j,
    "two": _two(1.0),
    "no number": np.array([]),
    "date": np.datetime64("2020"),
    "duration": np.timedelta64(1),
    "object": np.array([None], object),
}
NOT_FINITE: dict[str, Any] = {
    "nan": np.float32("nan"),
    "-inf": -np.inf,
    "1e300": 1e300,
    "400 digits": -(10**400),
    "5,000 digits": 10**5000,
}
SOUND_REWARDS: dict[str, Any] = {"bool": np.True_, "array": np.array([1], ">f4"), "half": np.float16(1)}
FLAGS: dict[str, Any] = {
    "none": None,
    "text": "False",
    "list": [False],
    "dictionary": {"task": False},
    "two": _two(False),
    "number": 2,
    "nan": float("nan"),
    "nothing": [],
}
SOUND_FLAGS: dict[str, Any] = {"numpy": np.False_, "zero": 0, "array": np.array([False])}
OBSERVATIONS: dict[str, Callable[[np.ndarray], Any]] = {
    "none": lambda seen: None,
    "text": lambda seen: seen.astype(str),
    "objects": lambda seen: np.array([None, None, None], object),
    "complex": lambda seen: seen + 1j,
    "shorter": lambda seen: seen[:2],
    "number": lambda seen: 1.0,
    "dictionary": lambda seen: {"state": seen},
}
SOUND_OBSERVATIONS: dict[str, Callable[[np.ndarray], Any]] = {
    "single": lambda seen: seen.astype(np.float32),
    "half": lambda seen: seen.astype(np.float16),
    "big-endian": lambda seen: seen.astype(">f8"),
    "whole": lambda seen: seen.astype(int),
    "list": list,
}
ENDS: dict[str, Callable[[], Any]] = {
    "sys.exit": lambda: sys.exit(0),
    "exit with a text": lambda: sys.exit("bye"),
    "os._exit": lambda: os._exit(0),
    "os._exit(7)": lambda: os._exit(7),
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "interrupt": lambda: _raise(KeyboardInterrupt()),
    "exception of its own": lambda: _raise(BaseException("mine")),
    "unreadable": lambda: _raise(_UnreadableError()),
    "escapes": lambda: _raise(ValueError("\x1b[2J" + 5000 * "line\n")),
}
HARMLESS: dict[str, Callable[[], Any]] = {
    "folder": lambda: os.chdir("/"),
    "signals": lambda: [signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGINT)],
    "closed stdout": lambda: sys.stdout.close(),
    "no stderr": lambda: setattr(sys, "stderr", None),
    "warning": lambda: warnings.warn("odd", stacklevel=1),
    "warnings are errors": lambda: warnings.simplefilter("error"),
    "numpy raises": lambda: np.seterr(all="raise"),
    "no variables": lambda: os.environ.clear(),
    "its stdin": lambda: sys.stdin.read(),
    "bytes": lambda: os.write(1, b"\xff\x1b[2J\n"),
}
TABLES = {
    "reward": {**REWARDS, **NOT_FINITE, **SOUND_REWARDS},
    "terminated": {**FLAGS, **SOUND_FLAGS},
    "truncated": {**FLAGS, **SOUND_FLAGS},
    "observation": {**OBSERVATIONS, **SOUND_OBSERVATIONS},
    "does": {**ENDS, **HARMLESS},
}
ORDER = ("observation", "reward", "terminated", "truncated")


class Odd(Cart):
    """Returns one odd value of a table instead of its own, or does something, at one step of each episode.

    Args:
        table: name of the table.
        name: of the value in it.
        at: the step.
        since: whether at all later steps too.
    """

    def __init__(self, table: str = "does", name: str = "folder", at: int = 2, since: bool = True) -> None:
        self.table, self.odd, self.at, self.since = table, TABLES[table][name], at, since

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step."""
        returned: list[Any] = list(super().step(action))
        if self.count == self.at or (self.since and self.count > self.at):
            if self.table == "does":
                self.odd()
            else:
                place = ORDER.index(self.table)
                returned[place] = self.odd(returned[0]) if self.table == "observation" else self.odd
        return tuple(returned)  # type: ignore[return-value]


class InPlace(Cart):
    """Clips the action in its own array, and shows its state in the same array each time."""

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Start."""
        _, info = super().reset(**options)
        self.shown = np.zeros(3)
        return self.shown, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step."""
        seen, *rest = super().step(action)
        action[:] = 1.5
        self.shown[:] = seen
        return self.shown, *rest  # type: ignore[return-value]


class Unclosable(Cart):
    """Cannot be closed."""

    def close(self) -> None:
        """Fail."""
        raise OSError("the simulator is gone already")


SPACES: dict[str, gym.Space[Any]] = {
    "discrete": gym.spaces.Discrete(3),
    "binary": gym.spaces.MultiBinary(3),
    "discrete ones": gym.spaces.MultiDiscrete([2, 3]),
    "dictionary": gym.spaces.Dict({"arm": gym.spaces.Box(-1, 1, (1,))}),
    "tuple": gym.spaces.Tuple((gym.spaces.Box(-1, 1, (1,)),)),
    "whole numbers": gym.spaces.Box(-2, 2, (1,), np.int32),
    "matrix": gym.spaces.Box(-2, 2, (1, 1)),
    "number": gym.spaces.Box(-2, 2, ()),
    "nothing": gym.spaces.Box(-2, 2, (0,)),
    "half open": gym.spaces.Box(np.array([-2, -np.inf], np.float32), np.array([2, 2], np.float32)),
}


class OddActions(Cart):
    """Has another space of actions."""

    def __init__(self, name: str = "discrete") -> None:
        self.action_space = SPACES[name]


for _kind in (Odd, InPlace, Unclosable, OddActions):
    if f"{_kind.__name__}-v0" not in gym.registry:
        gym.register(f"{_kind.__name__}-v0", _kind)  # type: ignore[arg-type]
