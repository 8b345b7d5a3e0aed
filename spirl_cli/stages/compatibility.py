"""Checks that networks get the images and states on which they were trained."""

from __future__ import annotations

from pathlib import Path

from spirl_cli.domains.registry import domain_of
from spirl_cli.domains.section import EnvSection
from spirl_cli.errors import ArtifactError
from spirl_cli.inference.network_file import Header, read_header


def check_images(section: EnvSection, *networks: Path) -> None:
    """Check that a recipe's environment shows the images and states that exported networks expect.

    Raises:
        ArtifactError: a network looks at an image that the environment does not show, or looks at the whole state and
            the environment's state has more numbers.
    """
    shown = section.image_shape
    for network in networks:
        header = read_header(network)
        _check_carries_over(section, network, header)
        expected = header.image_shape
        if expected is not None and (shown is None or tuple(expected) != tuple(shown)):
            raise ArtifactError(
                f"{network.stem} looks at images of shape {tuple(expected)}, the environment shows {shown or 'none'}",
                "select the image in env.observation, with as many env.frames as the clips were extracted with",
            )


def _check_carries_over(section: EnvSection, network: Path, header: Header) -> None:
    """Refuse networks that look at the whole state if the environment's state has more numbers."""
    known = header.state_dim
    if known is None or not header.looks_at_states or header.state_indices is not None:
        return
    scales = domain_of(section).scales(section, known)
    if scales is not None:
        raise ArtifactError(
            f"{network.stem} looks at a state of {known} numbers, that of the environment has {len(scales.mean)}",
            "let skills and prior look at an image and at numbers that mean the same in both only, with "
            "train_skills.state_indices and train_prior.state_indices",
        )
