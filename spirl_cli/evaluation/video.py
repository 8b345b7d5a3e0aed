"""Videos of the first episodes of an evaluation, as MP4.

A separate process draws them (`spirl_cli.evaluation.record`), because the OpenGL back end has to be chosen before
MuJoCo is imported, and because a driver that crashes must not end the evaluation.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spirl_cli.domains.registry import section_type
from spirl_cli.evaluation.rendering import INSTALL_HINT, probe_rendering, rendering_environment
from spirl_cli.inference.policies import PolicyKind
from spirl_cli.monitor.children import python_command
from spirl_cli.monitor.reporter import Reporter


@dataclass(frozen=True)
class VideoRequest:
    """The videos to draw: the episodes 0 … `episodes` - 1 of a rollout with the same seed and policy.

    Attributes:
        env: the environment's section, as plain data.
        decoder, policy: paths of exported networks.
        kind: how the policy acts.
        squashed: the decoder's actions are squashed, see `DecoderFile`.
        folder: where `<name>-<episode>.mp4` are written.
        recipe_folder: where the module of the environment is looked for too.
    """

    env: dict[str, Any]
    decoder: str
    policy: str
    kind: PolicyKind
    seed: int
    episodes: int
    squashed: bool
    folder: str
    name: str
    recipe_folder: str | None = None

    def path(self, episode: int) -> Path:
        """Return the file of one episode."""
        return Path(self.folder) / f"{self.name}-{episode}.mp4"


def record_videos(request: VideoRequest, reporter: Reporter, *, stop: Callable[[], bool] = lambda: False) -> list[Path]:
    """Draw the episodes and return the files; if that is impossible, warn in one line.

    Args:
        stop: asked regularly; once it returns True, drawing ends and the finished files are returned.

    Returns:
        The written files, fewer than requested if drawing failed or was stopped.
    """
    draws_itself = not section_type(request.env).needs_opengl
    backend = None if draws_itself else probe_rendering()
    Path(request.folder).mkdir(parents=True, exist_ok=True)
    command = python_command("-m", "spirl_cli.evaluation.record")
    with tempfile.TemporaryFile("w+", errors="replace") as complaints:
        with subprocess.Popen(
            command,
            env=rendering_environment(backend),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        ) as process:
            drawn = _converse(process, request, reporter, stop)
        for episode in range(request.episodes):
            if request.path(episode) not in drawn:
                request.path(episode).unlink(missing_ok=True)  # a half-written file
        complaints.seek(0)
        if process.returncode != 0 and not stop():
            reporter.warn(_explanation(draws_itself or backend is not None, complaints.read().strip()))
    return drawn


def _converse(
    process: subprocess.Popen[str], request: VideoRequest, reporter: Reporter, stop: Callable[[], bool]
) -> list[Path]:
    """Send the request and show the progress from the lines `<episode> <share>` that come back."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(asdict(request)))
    process.stdin.close()
    drawn = []
    with reporter.progress(f"video of {request.name}", request.episodes, "episodes") as bar:
        for line in process.stdout:
            episode, share = line.split()
            bar.update(int(episode) + float(share))
            if float(share) == 1.0:
                drawn.append(request.path(int(episode)))
            if stop():
                process.kill()
                break
    return drawn


def _explanation(could_draw: bool, complaint: str) -> str:
    last = complaint.splitlines()[-1] if complaint else "the drawing process ended without a word"
    return f"no video: {last}" if could_draw else f"no video: {INSTALL_HINT} ({last})"
