"""Small videos of skills, drawn by a process of its own: `python -m spirl_cli.evaluation.skill_films < request.json`.

The back end of OpenGL has to be chosen before MuJoCo is imported, and a driver that crashes must not end the command.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spirl_cli.domains.registry import read_section, section_type
from spirl_cli.envs.make import make_env
from spirl_cli.envs.skill_env import SkillEnv
from spirl_cli.envs.watched import WatchedEnv
from spirl_cli.evaluation.record import Camera, Movie, cheapen_drawing
from spirl_cli.evaluation.rendering import probe_rendering, rendering_environment
from spirl_cli.evaluation.seeds import environment_seed
from spirl_cli.files import copy_whole
from spirl_cli.inference.decoders import DecoderFile
from spirl_cli.monitor.children import python_command

_SMALL = 160  # pixels of the shorter side, at most
_FRAMES_PER_SECOND = 10
_PATIENCE = 600.0  # seconds


@dataclass(frozen=True)
class FilmRequest:
    """Skills to film.

    Attributes:
        env: the environment's section, as plain data.
        decoder, squashed: see `DecoderFile`.
        seed: as of the trials.
        before: skills that are acted out first, and not filmed.
        latents: skills to film, each from the same state.
        folder: where `<number>.mp4` are written.
    """

    env: dict[str, Any]
    decoder: str
    squashed: bool
    seed: int
    before: list[list[float]]
    latents: list[list[float]]
    folder: str

    def path(self, number: int) -> Path:
        """Return the file of one skill."""
        return Path(self.folder) / f"{number}.mp4"


def film(request: FilmRequest) -> tuple[dict[int, Path], str]:
    """Draw skills; returns the finished files by number, and why some are missing, else an empty text."""
    backend = probe_rendering() if section_type(request.env).needs_opengl else None
    command = python_command("-m", "spirl_cli.evaluation.skill_films")
    try:
        done = subprocess.run(
            command,
            env=rendering_environment(backend),
            input=json.dumps(asdict(request)),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return _finished(request), f"drawing took longer than {_PATIENCE:.0f} s"
    if done.returncode != 0:
        complaint = done.stderr.strip().splitlines()
        return _finished(request), complaint[-1] if complaint else "the drawing process ended without a word"
    return _finished(request), ""


def _finished(request: FilmRequest) -> dict[int, Path]:
    return {number: path for number in range(len(request.latents)) if (path := request.path(number)).exists()}


def draw(request: FilmRequest) -> None:
    """Draw the skills one after the other."""
    env = make_env(read_section(request.env), render_mode="rgb_array")
    cheapen_drawing(env)
    camera = Camera(lambda picture: None)
    skills = SkillEnv(WatchedEnv(env, camera), DecoderFile(Path(request.decoder), request.squashed).load())
    for number, latent in enumerate(request.latents):
        path = request.path(number)
        movie = Movie(path.with_name(f"unfinished-{path.name}"), _FRAMES_PER_SECOND)
        camera.sink = lambda picture: None
        skills.reset(seed=environment_seed(request.seed) % 2**31)
        for earlier in request.before:
            skills.step(np.asarray(earlier, np.float32))
        camera.sink = lambda picture, movie=movie: movie.add(_small(picture))  # type: ignore[misc]
        skills.step(np.asarray(latent, np.float32))
        movie.close()
        copy_whole(movie.path, path)
        movie.path.unlink()
    skills.close()


def _small(picture: np.ndarray) -> np.ndarray:
    """Leave out rows and columns of a picture `(H, W, 3)`, so that it is small and its sides are even."""
    every = max(1, min(picture.shape[:2]) // _SMALL)
    small = picture[::every, ::every]
    height, width = (size // 2 * 2 for size in small.shape[:2])
    return small[:height, :width]


if __name__ == "__main__":
    draw(FilmRequest(**json.loads(sys.stdin.read())))
