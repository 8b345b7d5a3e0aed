"""Do networks get the images and the numbers of the state that they were trained on?"""

from __future__ import annotations

from pathlib import Path

from spirl_cli.domains.drawn import block_numbers, image_shape
from spirl_cli.domains.sections import BlocksSection, EnvSection
from spirl_cli.errors import ArtifactError
from spirl_cli.inference.network_file import Header, read_header


def check_images(section: EnvSection, *networks: Path) -> None:
    """Compare what a recipe's environment shows with what exported networks expect.

    Raises:
        ArtifactError: a network looks at an image that the environment does not show, or at all of a
            state that has more numbers there.
    """
    shown = image_shape(section)
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
    """Refuse networks that look at the state of all blocks where there are others."""
    if not isinstance(section, BlocksSection) or not header.looks_at_states or header.state_indices is not None:
        return
    known, shown = header.state_dim, len(block_numbers(section))
    if known != shown:
        raise ArtifactError(
            f"{network.stem} looks at a state of {known} numbers, that of the environment has {shown}",
            "let skills and prior look at an image and at numbers of the gripper only, with train_skills.state_indices "
            "and train_prior.state_indices",
        )
