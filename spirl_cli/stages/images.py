"""Do networks that look at images get those that they were trained on?"""

from __future__ import annotations

from pathlib import Path

from spirl_cli.envs.images import image_shape
from spirl_cli.errors import ArtifactError
from spirl_cli.recipe.schema import EnvSection
from spirl_cli.skills.inference import read_network


def check_images(section: EnvSection, *networks: Path) -> None:
    """Compare the image of a recipe's environment with what exported networks expect.

    Raises:
        ArtifactError: a network looks at an image that the environment does not show.
    """
    shown = image_shape(section)
    for network in networks:
        _, header = read_network(network)
        expected = header.get("image_shape")
        if expected is not None and (shown is None or tuple(expected) != tuple(shown)):
            raise ArtifactError(
                f"{network.stem} looks at images of shape {tuple(expected)}, the environment shows {shown or 'none'}",
                "select the image in env.observation, with as many env.frames as the clips were extracted with",
            )
