"""Environments in worker processes that survive the learner's signals and explain their death."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import signal
import time
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, Literal, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from spirl_cli.errors import SpirlError, told
from spirl_cli.monitor.children import WORKER_ENVIRONMENT, become_worker, signals_blocked, start_tracker, variables
from spirl_cli.monitor.streams import show_warnings_once, shown_warnings

CLOSE_SECONDS = 5.0
BUSY_SECONDS = 2.0  # the same for workers that are at a step, which may never end
SILENT_SECONDS = 60.0  # after which a worker that does not answer is talked about
Env: TypeAlias = "gym.Env[Any, Any]"
Step: TypeAlias = tuple[Any, float, bool, bool, dict[str, Any]]
Command = Literal["spaces", "reset", "step", "get", "set"]
Answer: TypeAlias = tuple[Literal[True], Any] | tuple[Literal[False], tuple[SpirlError, str]]  # error, its traceback


class WorkerVector(VectorEnv[Any, Any, Any]):
    """A vector of environments in processes that survive the events of a long training run.

    - An environment that ends is reset within the same step (`final_obs` in the infos), so that
      every step is a transition.
    - Workers are spawned, and ignore signals that ask to stop: a Ctrl-C reaches the whole process group,
      and the learner wants to save its state first. They end when the learner closes them or dies.
    - Workers are no daemons, since an environment may start processes of its own.
    - A worker that dies, or an environment that raises, becomes a `SpirlError`.
    - A worker that does not answer for a minute is named; where there is a limit, it ends the wait.

    Args:
        makers: one picklable function per environment.
        step_limit: seconds within which a worker must answer to a step; None: no limit.
        warn: is told of silent workers.

    Raises:
        SpirlError: a worker died or was silent for too long, or its environment has other spaces than the first one.
    """

    def __init__(
        self,
        makers: Sequence[Callable[[], Env]],
        step_limit: float | None = None,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.num_envs = len(makers)
        self._step_limit, self._warn = step_limit, warn
        self._limit: float | None = None  # of the answers that are awaited
        self._awaited = False
        self.processes: list[multiprocessing.process.BaseProcess] = []
        self._pipes: list[Connection] = []
        _running.add(self)
        env = makers[0]()
        self.metadata = {**env.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}
        self.render_mode = env.render_mode
        self.single_observation_space, self.single_action_space = env.observation_space, env.action_space
        self.observation_space = batch_space(env.observation_space, self.num_envs)
        self.action_space = batch_space(env.action_space, self.num_envs)
        env.close()
        start_tracker()
        with signals_blocked(), variables(WORKER_ENVIRONMENT):
            for index, make in enumerate(makers):
                self._start(index, make)
        self._require_equal_spaces()

    def _start(self, index: int, make: Callable[[], Env]) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        # The first worker says what this process has not said yet, for all of them.
        known = shown_warnings() if index == 0 else None
        process = context.Process(target=serve, args=(make, theirs, known), name=f"environment-{index}")
        self.processes.append(process)
        self._pipes.append(ours)
        process.start()
        theirs.close()

    def _require_equal_spaces(self) -> None:
        expected = (self.single_observation_space, self.single_action_space)
        for index, spaces in enumerate(self._ask("spaces", [None] * self.num_envs)):
            if spaces != expected:
                raise SpirlError(f"environment {index} has the spaces {spaces}, the first one has {expected}")

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode in every environment; environment i gets the seed `seed + i`, or `seed[i]`."""
        seeds = seed if isinstance(seed, list) else [None if seed is None else seed + i for i in range(self.num_envs)]
        observations, infos = zip(*self._ask("reset", [(one, options) for one in seeds]), strict=True)
        return self._stacked(observations), self._merged(infos)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step all environments with actions `(N, A)`."""
        self.step_async(actions)
        return self.step_wait()

    def step_async(self, actions: np.ndarray) -> None:
        """Make all environments step with actions `(N, A)`; a call of `step_wait` must follow."""
        self._send("step", actions)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Return observations `(N, D)`, rewards `(N,)`, terminated `(N,)`, truncated `(N,)` and the merged infos."""
        observations, rewards, terminated, truncated, infos = zip(*self._receive(), strict=True)
        return (
            self._stacked(observations),
            np.array(rewards, np.float64),
            np.array(terminated, np.bool_),
            np.array(truncated, np.bool_),
            self._merged(infos),
        )

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of every environment, wrappers included."""
        return tuple(self._ask("get", [name] * self.num_envs))

    def set_attr(self, name: str, values: Sequence[Any]) -> None:
        """Set an attribute of every environment, wrappers included, each to its own value."""
        self._ask("set", [(name, value) for value in values])

    def close_extras(self, timeout: float = CLOSE_SECONDS) -> None:
        """End the workers by closing their pipes, and kill those that do not end within `timeout` seconds.

        Workers that are still at work, because of an error elsewhere or a second Ctrl-C, get `BUSY_SECONDS` only.
        """
        for pipe in self._pipes:
            pipe.close()
        deadline = time.monotonic() + (min(timeout, BUSY_SECONDS) if self._awaited else timeout)
        for process in self.processes:
            process.join(max(deadline - time.monotonic(), 0.0))
        self.kill()

    def kill(self) -> None:
        """End all workers at once by SIGKILL, since they ignore SIGTERM."""
        alive = [process for process in self.processes if process.is_alive()]
        for process in alive:
            process.kill()
        for process in alive:
            process.join()

    def _ask(self, command: Command, arguments: Iterable[Any]) -> list[Any]:
        self._send(command, arguments)
        return self._receive()

    def _send(self, command: Command, arguments: Iterable[Any]) -> None:
        self._awaited = True
        self._limit = self._step_limit if command == "step" else None
        with self._death_explained():
            for pipe, argument in zip(self._pipes, arguments, strict=True):
                pipe.send((command, argument))

    def _receive(self) -> list[Any]:
        """Return the answer of every worker; after all have answered, raise the first error."""
        with self._death_explained():
            answers = [self._answer_of(index, pipe) for index, pipe in enumerate(self._pipes)]
        self._awaited = False
        for index, answer in enumerate(answers):
            if not answer[0]:
                error, trace = answer[1]
                error.add_note(f"In environment worker {index}:\n{trace}")
                raise error
        return [value for _, value in answers]

    def _answer_of(self, index: int, pipe: Connection) -> Answer:
        """Wait for the answer of a worker; say so if that takes long, and give up at the limit."""
        begun = time.monotonic()
        limit = float("inf") if self._limit is None else self._limit
        if not pipe.poll(min(SILENT_SECONDS, limit)) and limit > SILENT_SECONDS:
            self._warn(
                f"environment worker {index} (process {self.processes[index].pid}) has not answered for "
                f"{SILENT_SECONDS:.0f} s; still waiting for it"
            )
        rest = None if self._limit is None else max(limit - (time.monotonic() - begun), 0.0)
        if not pipe.poll(rest):
            raise SpirlError(
                f"environment worker {index} did not answer within {limit:.3g} s: its environment hangs",
                "env.step_seconds sets this limit; the last checkpoint is kept",
            )
        answer: Answer = pipe.recv()
        return answer

    @contextlib.contextmanager
    def _death_explained(self) -> Iterator[None]:
        """Turn a broken pipe into an error that says why the worker is gone."""
        try:
            yield
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise _death(self.processes) from error

    def _stacked(self, observations: Sequence[Any]) -> np.ndarray:
        return np.array(observations, dtype=self.single_observation_space.dtype)

    def _merged(self, infos: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Merge infos as gymnasium's vectors do: an array and a mask per key."""
        merged: dict[str, Any] = {}
        for index, info in enumerate(infos):
            merged = self._add_info(merged, info, index)
        return merged


class WorkerEnv(gym.Wrapper[Any, Any, Any, Any]):
    """The outermost wrapper in a worker: it sends only the values that the learner reads.

    Infos and exceptions of foreign environments may hold anything, also objects that cannot be stacked or sent to
    another process.

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


def serve(make: Callable[[], Env], pipe: Connection, known_warnings: frozenset[str] | None) -> None:
    """Make an environment and answer the learner, until it closes its end of the pipe or is gone.

    Args:
        make: makes the environment.
        pipe: to the learner.
        known_warnings: warnings that need no repetition; None silences all.
    """
    become_worker()
    if known_warnings is None:
        warnings.simplefilter("ignore")
    else:
        show_warnings_once(known_warnings)
    env = make()
    with contextlib.closing(env), contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            pipe.send(_answer(env, *pipe.recv()))


def _answer(env: Env, command: Command, argument: Any) -> Answer:
    try:
        return True, _obey(env, command, argument)
    except BaseException as error:  # sys.exit() in an environment ends no worker without a word
        return False, (_as_spirl_error(error), _trace())


def _obey(env: Env, command: Command, argument: Any) -> Any:
    match command:
        case "step":
            return step_and_reset(env, argument)
        case "reset":
            seed, options = argument
            return env.reset(seed=seed, options=options)
        case "get":
            return env.get_wrapper_attr(argument)
        case "set":
            return env.set_wrapper_attr(*argument)
        case "spaces":
            return env.observation_space, env.action_space


def step_and_reset(env: Env, action: Any) -> Step:
    """Step; if the episode ends, keep its end as `final_obs` and `final_info` and start the next one."""
    observation, reward, terminated, truncated, info = env.step(action)
    if terminated or truncated:
        final = {"final_info": info, "final_obs": observation}
        observation, first = env.reset()
        info = {**final, **first}
    return observation, float(reward), terminated, truncated, info


@contextlib.contextmanager
def _errors_as_text() -> Iterator[None]:
    try:
        yield
    except SpirlError:
        raise
    except BaseException as error:
        raise _as_spirl_error(error) from error


def _trace() -> str:
    try:
        return traceback.format_exc()
    except Exception:  # of an exception whose own message cannot be read
        return ""


def _as_spirl_error(error: BaseException) -> SpirlError:
    """Return a `SpirlError` with an exception's message, since a foreign exception may not be picklable."""
    if isinstance(error, SpirlError):
        return error
    return SpirlError(f"the environment failed: {told(error)}")


def _death(processes: Sequence[multiprocessing.process.BaseProcess]) -> SpirlError:
    for process in processes:
        process.join(0.2)  # its exit status may arrive a moment after the pipe breaks
    dead = [(index, process.exitcode) for index, process in enumerate(processes) if process.exitcode is not None]
    if not dead:
        return SpirlError("the connection to an environment worker broke")
    index, code = dead[0]
    if code == -signal.SIGKILL:
        cause, hint = "killed by SIGKILL", "often the machine ran out of memory; try fewer environments"
    elif code is not None and code < 0:
        cause, hint = f"killed by {signal.Signals(-code).name}", "its simulator crashed; what it said is printed above"
    elif code == 0:
        cause, hint = "it ended by itself", "the environment calls something like os._exit(); let it raise an error"
    else:
        cause, hint = f"exit code {code}", "its own message is printed above"
    return SpirlError(f"environment worker {index} died ({cause})", hint)


def _kill_running() -> None:
    for vector in list(_running):
        if not vector.closed:
            vector.kill()


# At exit, multiprocessing waits for its children: for ever, since they wait for commands. Functions
# registered later run earlier, and its own was registered when it was imported.
_running: weakref.WeakSet[WorkerVector] = weakref.WeakSet()
atexit.register(_kill_running)
