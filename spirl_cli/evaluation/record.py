"""The process that draws videos: `python -m spirl_cli.evaluation.record < request.json`.

`spirl_cli.evaluation.video` starts it with the OpenGL back end in its environment variables. It prints one line per ten
frames, `<episode> <finished share of the episode's time limit>`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from spirl_cli.domains.registry import read_section
from spirl_cli.envs.make import make_env
from spirl_cli.envs.watched import WatchedEnv
from spirl_cli.evaluation.replay import replay
from spirl_cli.evaluation.rollouts import RolloutSettings
from spirl_cli.evaluation.video import VideoRequest
from spirl_cli.inference.decoders import DecoderFile
from spirl_cli.inference.policies import load_policy
from spirl_cli.monitor.signals import SIGNALS
from spirl_cli.monitor.streams import STDERR, STDOUT

FALLBACK_FRAMES_PER_SECOND = 30
FRAMES_PER_REPORT = 10


class Camera:
    """A watcher that passes every picture to `sink`, the first one after a reset included."""

    def __init__(self, sink: Callable[[np.ndarray], None]) -> None:
        self.sink = sink

    def began(self, env: gym.Env[Any, Any], observation: Any) -> None:
        """Film the start of an episode."""
        self.sink(_picture(env))

    def stepped(
        self, env: gym.Env[Any, Any], action: Any, observation: Any, reward: float, terminated: bool, truncated: bool
    ) -> None:
        """Film a step."""
        self.sink(_picture(env))


def _picture(env: gym.Env[Any, Any]) -> np.ndarray:
    picture = env.render()
    if not isinstance(picture, np.ndarray):
        raise TypeError(f"the environment draws {type(picture).__name__} instead of one picture")
    return picture


class Movie:
    """One MP4 file, opened at its first picture `(H, W, 3)` uint8."""

    def __init__(self, path: Path, frames_per_second: float) -> None:
        self.path, self.frames_per_second, self.frames = path, frames_per_second, 0
        self._writer: Generator[None, Any, None] | None = None

    def add(self, picture: np.ndarray) -> None:
        """Append one picture."""
        if self._writer is None:
            self._writer = self._open(picture)
        self._writer.send(np.ascontiguousarray(picture, dtype=np.uint8))
        self.frames += 1

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()

    def _open(self, picture: np.ndarray) -> Generator[None, Any, None]:
        import imageio_ffmpeg

        size = (picture.shape[1], picture.shape[0])
        writer: Generator[None, Any, None] = imageio_ffmpeg.write_frames(
            str(self.path), size, fps=self.frames_per_second, quality=7
        )
        writer.send(None)
        return writer


def main() -> int:
    """Draw what the request on standard input asks for."""
    # Ctrl-C reaches the whole group: the parent decides, and ends this process if it gives up.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    request = VideoRequest(**json.loads(sys.stdin.read()))
    # libraries that print, also those below Python, must not break into the lines of progress
    lines = os.fdopen(os.dup(STDOUT), "w")
    os.dup2(STDERR, STDOUT)
    sys.stdout = sys.stderr

    def report(episode: int, share: float) -> None:
        print(episode, share, file=lines, flush=True)

    draw(request, report)
    return 0


def draw(request: VideoRequest, report: Callable[[int, float], None]) -> None:
    """Draw the episodes one after the other.

    Args:
        report: receives the episode and its finished share.
    """
    section = read_section(request.env)
    if request.recipe_folder is not None:
        section = section.with_files(Path(request.recipe_folder))
    env = make_env(section, render_mode="rgb_array")
    cheapen_drawing(env)
    rate = float(env.metadata.get("render_fps") or FALLBACK_FRAMES_PER_SECOND)
    movies = [Movie(request.path(episode), rate) for episode in range(request.episodes)]

    def film(episode: int) -> Callable[[np.ndarray], None]:
        return _watched(movies[episode], partial(report, episode), section.episode_length)

    camera = Camera(film(0))
    settings = RolloutSettings(request.episodes, request.seed)
    decoder = DecoderFile(Path(request.decoder), request.squashed).load()
    policy = load_policy(Path(request.policy), request.kind)
    for episode in replay(WatchedEnv(env, camera), decoder, policy, settings, request.episodes):
        movies[episode].close()
        report(episode, 1.0)
        if episode + 1 < request.episodes:
            camera.sink = film(episode + 1)


def _watched(movie: Movie, report: Callable[[float], None], length: int) -> Callable[[np.ndarray], None]:
    """Return a function that adds a picture to the movie and reports the progress every ten pictures."""

    def add(picture: np.ndarray) -> None:
        movie.add(picture)
        if movie.frames % FRAMES_PER_REPORT == 0:
            report(min(movie.frames / (length + 1), 0.99))

    return add


def cheapen_drawing(env: gym.Env[Any, Any]) -> None:
    """Turn MuJoCo's shadows off, which take nine tenths of the time without a graphics card."""
    model = getattr(env.unwrapped, "model", None)
    quality = getattr(getattr(model, "vis", None), "quality", None)
    if quality is not None:
        quality.shadowsize = 0


if __name__ == "__main__":
    sys.exit(main())
