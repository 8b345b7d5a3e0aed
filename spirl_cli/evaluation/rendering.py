"""Finds an OpenGL back end with which MuJoCo can draw on this computer, also without a display."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from spirl_cli.monitor.children import python_command

INSTALL_HINT = (
    "MuJoCo finds no OpenGL to draw with: install EGL (apt-get install libegl1 libgl1-mesa-dri) "
    "or OSMesa (apt-get install libosmesa6)"
)
PROBE_SECONDS = 60.0  # the first picture takes seconds on a busy computer without graphics card
# A light plane fills the picture, so that a black picture reveals a back end that draws nothing.
_PROBE = """
import mujoco
xml = '<mujoco><worldbody><light pos="0 0 3"/><geom type="plane" size="9 9 1"/></worldbody></mujoco>'
model = mujoco.MjModel.from_xml_string(xml)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 32, 32) as renderer:
    renderer.update_scene(data)
    assert renderer.render().any()
"""


@cache
def probe_rendering() -> str | None:
    """Return the value of `MUJOCO_GL` that draws on this computer, or None.

    Each candidate is tried in a separate process, since MuJoCo reads the variable when it is imported, and a broken
    driver may crash its process. If the user has set a value, it is the only candidate.
    """
    return next((name for name in _candidates() if _draws(name)), None)


def rendering_environment(backend: str | None) -> dict[str, str]:
    """Return the environment variables for a child process that draws with `backend`.

    The child imports this same package, installed or not.
    """
    variables = dict(os.environ)
    if backend is not None:
        variables["MUJOCO_GL"] = backend
        variables.pop("PYOPENGL_PLATFORM", None)  # MuJoCo sets it and refuses another value
    package_root = str(Path(__file__).resolve().parents[2])
    paths = [package_root, *filter(None, [variables.get("PYTHONPATH")])]
    return variables | {"PYTHONPATH": os.pathsep.join(paths)}


def _candidates() -> tuple[str, ...]:
    chosen = os.environ.get("MUJOCO_GL")
    if chosen:
        return (chosen,)
    if sys.platform != "linux":
        return ("glfw",)
    return ("egl", "osmesa", "glfw") if os.environ.get("DISPLAY") else ("egl", "osmesa")


def _draws(backend: str) -> bool:
    command = python_command("-c", _PROBE)
    try:
        result = subprocess.run(
            command, env=rendering_environment(backend), capture_output=True, timeout=PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0
