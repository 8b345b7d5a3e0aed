"""Environments in worker processes that survive the learner's signals and explain their death."""

from __future__ import annotations

import atexit
import contextlib
import functools
import multiprocessing
import signal
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import resource_tracker
from typing import Any, TypeVar

import gymnasium as gym
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from gymnasium.vector.async_vector_env import _async_worker

from spirl_cli.errors import SpirlError
from spirl_cli.monitor.children import WORKER_ENVIRONMENT, become_worker, signals_blocked, variables

CLOSE_SECONDS = 5.0
Method = TypeVar("Method", bound=Callable[..., Any])


def _explains_death(method: Method) -> Method:
    """Turn a broken pipe into the reason why there is nobody at its other end."""

    @functools.wraps(method)
    def wrapped(self: WorkerVector, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise _death(self.processes) from error

    return wrapped  # type: ignore[return-value]


class WorkerVector(AsyncVectorEnv):
    """gymnasium's AsyncVectorEnv, made to outlive what happens to a long training run.

    - An environment that ends is reset within the same step (``final_obs`` in the infos), so that
      every step is a transition.
    - Workers are spawned, and ignore SIGINT and SIGTERM: a Ctrl-C reaches the whole process group,
      and the learner wants to save its state first. They end when the learner closes them or dies.
    - A worker that dies, or an environment that raises, becomes a :class:`SpirlError`.

    Args:
        makers: one picklable function per environment.
    """

    def __init__(self, makers: Sequence[Callable[[], gym.Env[Any, Any]]]) -> None:
        # Starting the tracker unblocks signals, so it has to run before they are blocked.
        resource_tracker.ensure_running()
        _running.add(self)
        with signals_blocked(), variables(WORKER_ENVIRONMENT):
            super().__init__(makers, context="spawn", worker=_work, autoreset_mode=AutoresetMode.SAME_STEP)

    reset_async = _explains_death(AsyncVectorEnv.reset_async)
    reset_wait = _explains_death(AsyncVectorEnv.reset_wait)
    step_async = _explains_death(AsyncVectorEnv.step_async)
    step_wait = _explains_death(AsyncVectorEnv.step_wait)
    call_async = _explains_death(AsyncVectorEnv.call_async)
    call_wait = _explains_death(AsyncVectorEnv.call_wait)
    set_attr = _explains_death(AsyncVectorEnv.set_attr)
    _check_spaces = _explains_death(AsyncVectorEnv._check_spaces)

    def close_extras(self, timeout: float | None = CLOSE_SECONDS, terminate: bool = False) -> None:
        """Ask the workers to end, and kill those that do not within ``timeout`` seconds."""
        if not terminate:
            for pipe in self.parent_pipes:
                with contextlib.suppress(OSError):
                    pipe.send(("close", None))
            deadline = None if timeout is None else time.monotonic() + timeout
            for process in self.processes:
                process.join(None if deadline is None else max(deadline - time.monotonic(), 0.0))
        self.kill()
        for pipe in self.parent_pipes:
            pipe.close()

    def kill(self) -> None:
        """End all workers at once; SIGTERM would not, they ignore it."""
        alive = [process for process in getattr(self, "processes", ()) if process.is_alive()]
        for process in alive:
            process.kill()
        for process in alive:
            process.join()

    def _raise_if_errors(self, successes: Iterable[bool]) -> None:
        if all(successes):
            return
        index, _, error, trace = self.error_queue.get(timeout=CLOSE_SECONDS)
        error.add_note(f"In environment worker {index}:\n{trace}")
        raise error


class WorkerEnv(gym.Wrapper[Any, Any, Any, Any]):
    """The outermost wrapper in a worker: sends what the learner reads, and only that.

    Infos of foreign environments may hold anything, also what cannot be stacked, or sent to another
    process; and so may their exceptions.

    Args:
        env: the environment.
        keys: keys of `info` that are kept.
    """

    def __init__(self, env: gym.Env[Any, Any], keys: Sequence[str]) -> None:
        super().__init__(env)
        self._keys = frozenset(keys)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        with _errors_as_text():
            observation, info = self.env.reset(seed=seed, options=options)
        return observation, self._kept(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step the wrapped environment."""
        with _errors_as_text():
            observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, float(reward), terminated, truncated, self._kept(info)

    def _kept(self, info: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in info.items() if key in self._keys}


def _work(*arguments: Any) -> None:
    """Run gymnasium's worker loop, quietly when the learner is gone."""
    become_worker()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _async_worker(*arguments)


@contextlib.contextmanager
def _errors_as_text() -> Iterator[None]:
    try:
        yield
    except SpirlError:
        raise
    except Exception as error:
        raise SpirlError(f"the environment failed: {type(error).__name__}: {error}") from error


def _death(processes: Sequence[multiprocessing.Process]) -> SpirlError:
    for process in processes:
        process.join(0.2)  # its exit status may arrive a moment after its pipe broke
    dead = [(index, process.exitcode) for index, process in enumerate(processes) if process.exitcode is not None]
    if not dead:
        return SpirlError("the connection to an environment worker broke")
    index, code = dead[0]
    if code is not None and code < 0:
        cause = f"killed by {signal.Signals(-code).name}"
        hint = "often the machine ran out of memory; try fewer environments"
    else:
        cause, hint = f"exit code {code}", "its own message is printed above"
    return SpirlError(f"environment worker {index} died ({cause})", hint)


def _kill_running() -> None:
    for vector in list(_running):
        if not vector.closed:
            vector.kill()


# At exit, multiprocessing sends SIGTERM to its daemons and waits for them: for ever, since they
# ignore it. Functions registered later run earlier, and its own was registered when it was imported.
_running: weakref.WeakSet[WorkerVector] = weakref.WeakSet()
atexit.register(_kill_running)
