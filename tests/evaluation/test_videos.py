"""Videos of evaluated episodes, with and without OpenGL."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spirl_cli.domains.registry import read_section
from spirl_cli.evaluation import rendering, video
from spirl_cli.evaluation.rollouts import RolloutSettings, rollout
from spirl_cli.inference.decoders import load_decoder
from spirl_cli.inference.policies import load_policy
from spirl_cli.monitor.reporter import SilentReporter
from spirl_cli.stages.evaluate import execute
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.store import Store
from tests.support.agent_data import evaluation_context, make_agent, pendulum_recipe
from tests.support.reporters import Recorder


@pytest.fixture
def unprobed() -> Iterator[None]:
    """Let a test and those after it look for OpenGL anew."""
    rendering.probe_rendering.cache_clear()
    yield
    rendering.probe_rendering.cache_clear()


@pytest.mark.usefixtures("unprobed")
def test_without_opengl_one_line_says_what_to_install(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUJOCO_GL", "disabled")
    reporter = Recorder()
    request = drawn_request(make_agent(store, pendulum_recipe()), tmp_path)
    assert video.record_videos(request, reporter) == []
    (line,) = reporter.warnings
    assert "apt-get install" in line and "\n" not in line


@pytest.mark.usefixtures("unprobed")
def test_a_backend_that_does_not_draw_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_draws", lambda backend: backend == "osmesa")
    monkeypatch.setattr(rendering.sys, "platform", "linux")
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    assert rendering.probe_rendering() == "osmesa"
    monkeypatch.setenv("MUJOCO_GL", "egl")
    rendering.probe_rendering.cache_clear()
    assert rendering.probe_rendering() is None


def test_a_probe_that_hangs_or_fails_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*arguments: Any, **options: Any) -> Any:
        raise subprocess.TimeoutExpired("probe", 1)

    monkeypatch.setattr(rendering.subprocess, "run", hang)
    assert not rendering._draws("egl")


def drawn_request(agent: Artifact, folder: Path) -> video.VideoRequest:
    """Two episodes of a MuJoCo environment of which the agent sees the first three numbers."""
    env = pendulum_recipe(env={"id": "InvertedPendulum-v5", "observation": [{"indices": ["0:3"]}]}).env
    return video.VideoRequest(
        env=env.model_dump(mode="json"),
        decoder=str(agent.file("decoder.safetensors")),
        policy=str(agent.file("policy.safetensors")),
        kind="sampled",
        seed=0,
        episodes=2,
        squashed=False,
        folder=str(folder / "videos"),
        name="sampled-1000",
    )


@pytest.mark.slow
@pytest.mark.usefixtures("unprobed")
def test_videos_show_the_very_episodes_that_were_counted(store: Store, tmp_path: Path) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    if rendering.probe_rendering() is None:
        pytest.skip(rendering.INSTALL_HINT)
    agent, reporter = make_agent(store, pendulum_recipe()), Recorder()
    request = drawn_request(agent, tmp_path)
    files = video.record_videos(request, reporter)
    assert [file.name for file in files] == ["sampled-1000-0.mp4", "sampled-1000-1.mp4"], reporter.warnings
    counted = rollout(
        read_section(request.env),
        load_decoder(Path(request.decoder)),
        load_policy(Path(request.policy), request.kind),
        RolloutSettings(2, request.seed, processes=False),
        SilentReporter(),
    )
    frames = [imageio_ffmpeg.count_frames_and_secs(str(file))[0] for file in files]
    assert frames == [result.length + 1 for result in counted]


def test_a_stage_keeps_the_videos_of_its_first_policy(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spirl_cli.stages import evaluate as stage

    def draw(request: video.VideoRequest, *arguments: Any, **options: Any) -> list[Path]:
        path = request.path(0)
        path.parent.mkdir()
        path.write_bytes(b"movie")
        return [path]

    monkeypatch.setattr(stage, "record_videos", draw)
    recipe = pendulum_recipe(evaluate={"video_episodes": 1, "policies": ["mean"], "snapshots": False})
    result = execute(evaluation_context(tmp_path / "run", recipe, {"agent": make_agent(store, recipe)}))
    assert "videos" in result.keep
    assert (tmp_path / "run" / "videos" / "mean-1000-0.mp4").is_file()
