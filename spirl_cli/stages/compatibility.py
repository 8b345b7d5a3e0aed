"""Do networks get the images and the numbers of the state that they were trained on?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spirl_cli.domains.registry import domain_of
from spirl_cli.domains.section import EnvSection
from spirl_cli.errors import ArtifactError
from spirl_cli.inference.decoders import read_network


def check_images(section: EnvSection, *networks: Path) -> None:
    """Compare what a recipe's environment shows with what exported networks expect.

    Raises:
        ArtifactError: a network looks at an image that the environment does not show, or at all of a
            state that has more numbers there.
    """
    shown = section.image_shape
    for network in networks:
        _, header = read_network(network)
        _check_carries_over(section, network, header)
        expected = header.get("image_shape")
        if expected is not None and (shown is None or tuple(expected) != tuple(shown)):
            raise ArtifactError(
                f"{network.stem} looks at images of shape {tuple(expected)}, the environment shows {shown or 'none'}",
                "select the image in env.observation, with as many env.frames as the clips were extracted with",
            )


def _check_carries_over(section: EnvSection, network: Path, header: Mapping[str, Any]) -> None:
    """Refuse networks that look at the whole state where the environment's has more numbers."""
    looks = header["kind"] not in ("open-loop", "primitive") and "state_dim" in header
    if not looks or header.get("state_indices") is not None:
        return
    scales = domain_of(section).scales(section, header["state_dim"])
    if scales is not None:
        raise ArtifactError(
            f"{network.stem} looks at a state of {header['state_dim']} numbers, that of the environment has "
            f"{len(scales.mean)}",
            "let skills and prior look at an image and at numbers that mean the same in both only, with "
            "train_skills.state_indices and train_prior.state_indices",
        )
