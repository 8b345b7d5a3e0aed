"""Episodes of a policy as a dataset, which `spirl extract` and other tools read like any other."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import gymnasium as gym
import numpy as np

from spirl_cli.demos.publishing import published
from spirl_cli.demos.saving.target import (
    USUAL_FPS,
    About,
    Format,
    SavedEpisode,
    check_target,
    named_arrays,
    opened_target,
)
from spirl_cli.domains.farama import silence_notices
from spirl_cli.domains.registry import domain_of
from spirl_cli.domains.section import EnvSection
from spirl_cli.envs.make import SelectObservation, make_raw_env
from spirl_cli.envs.watched import WatchedEnv
from spirl_cli.errors import UsageError
from spirl_cli.evaluation.replay import replay
from spirl_cli.evaluation.rollouts import RolloutSettings
from spirl_cli.inference.decoders import SkillDecoder
from spirl_cli.inference.policies import SkillPolicy
from spirl_cli.monitor.children import variables
from spirl_cli.monitor.reporter import Reporter


class Recorder:
    """A watcher that keeps the raw observations, actions and rewards of the running episode.

    Minari's own collector needs jax for stacking.
    """

    def __init__(self) -> None:
        self._observations: list[Any] = []
        self._steps: list[tuple[Any, float, bool, bool]] = []

    def began(self, env: gym.Env[Any, Any], observation: Any) -> None:
        """Forget the episode before."""
        # A copy, since environments may go on changing the arrays that they return.
        self._observations, self._steps = [copy.deepcopy(observation)], []

    def stepped(
        self, env: gym.Env[Any, Any], action: Any, observation: Any, reward: float, terminated: bool, truncated: bool
    ) -> None:
        """Keep one step."""
        self._observations.append(copy.deepcopy(observation))
        self._steps.append((np.array(action), reward, terminated, truncated))

    def episode(self) -> dict[str, Any]:
        """Return the episode so far: observations `(T+1, ...)`, the rest `(T, ...)`."""
        actions, rewards, terminations, truncations = map(np.array, zip(*self._steps, strict=True))
        return {
            "observations": stack(self._observations),
            "actions": actions,
            "rewards": rewards,
            "terminations": terminations,
            "truncations": truncations,
        }


def stack(observations: Sequence[Any]) -> Any:
    """Stack (nested dictionaries or tuples of) arrays along a new first axis."""
    first = observations[0]
    if isinstance(first, dict):
        return {key: stack([one[key] for one in observations]) for key in first}
    if isinstance(first, tuple):
        return tuple(stack(parts) for parts in zip(*observations, strict=True))
    return np.stack(observations)


def check_new_dataset(target: str, format: Format) -> None:
    """Refuse a dataset that cannot be written or exists, before hours are spent.

    Args:
        target: Minari id, file or folder.
        format: what to write.

    Raises:
        UsageError: the name does not go with the format, or is taken.
        DatasetError: a library is missing.
    """
    if format != "minari":
        return check_target(target, format)
    return _check_new_id(target)


def _check_new_id(dataset_id: str) -> None:
    silence_notices()
    from minari.dataset.minari_dataset import parse_dataset_id
    from minari.storage import get_dataset_path

    try:
        parse_dataset_id(dataset_id)
    except (ValueError, TypeError) as error:  # the latter of a name without a version
        raise UsageError(
            f"--save-dataset: '{dataset_id}' is no Minari dataset id",
            "write it as name-v0 or group/name-v0, or name a robomimic file that ends in .hdf5; a LeRobot folder needs "
            "--save-format lerobot",
        ) from error
    if get_dataset_path(dataset_id).exists():
        raise UsageError(
            f"--save-dataset: there is a dataset '{dataset_id}' already",
            "choose another name or version",
        )


def save_dataset(
    target: str,
    format: Format,
    env: EnvSection,
    decoder: SkillDecoder,
    policy: SkillPolicy,
    settings: RolloutSettings,
    reporter: Reporter,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Run the episodes of `rollout` once more and write them with the environment's raw observations.

    One environment, in this process; for Minari the episodes are held in memory until all are there.

    Raises:
        Interrupted: `stop` said True; nothing is written.
        UsageError: the target is refused.
    """
    check_new_dataset(target, format)
    recorder, raw = Recorder(), make_raw_env(env)
    shown = SelectObservation(WatchedEnv(raw, recorder), env.observation, env.stacked_frames)

    def played() -> Iterator[dict[str, Any]]:
        with reporter.progress(f"dataset {target}", settings.episodes, "episodes") as bar:
            for episode in replay(shown, decoder, policy, settings, settings.episodes, stop=stop):
                yield recorder.episode()
                bar.update(episode + 1)

    if format == "minari":
        return _create(target, list(played()), raw)
    with opened_target(target, format, _about(env, raw)) as writer:
        for episode in played():
            named = named_arrays(episode["observations"])
            writer.add(SavedEpisode(named, np.asarray(episode["actions"], np.float32), episode["rewards"]))
    return None


def _about(env: EnvSection, raw: gym.Env[Any, Any]) -> About:
    """Return what the files say about the environment."""
    space = cast(gym.spaces.Box, raw.action_space)
    fps = float(raw.metadata.get("render_fps") or USUAL_FPS)
    return About(domain_of(env).setting(env).env, fps, space.low, space.high)


def _create(dataset_id: str, episodes: Sequence[dict[str, Any]], env: gym.Env[Any, Any]) -> None:
    from minari import create_dataset_from_buffers
    from minari.data_collector import EpisodeBuffer

    with (
        published(dataset_id) as folder,
        variables({"MINARI_DATASETS_PATH": str(folder)}),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # about fields that describe an author, and that we do not know
        create_dataset_from_buffers(
            dataset_id,
            [EpisodeBuffer(id=number, **episode) for number, episode in enumerate(episodes)],
            observation_space=env.observation_space,
            action_space=env.action_space,
            algorithm_name="spirl",
            description="Episodes of a policy, written by `spirl evaluate --save-dataset`.",
        )
