"""Generated demonstrations that all runs on a computer share: made once and kept as a Minari dataset."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spirl_cli.demos.formats.minari import MinariFolder, datasets_folder, is_local
from spirl_cli.demos.generation import GeneratedDataset, generate
from spirl_cli.demos.identity import DatasetIdentity
from spirl_cli.demos.publishing import only_maker, published
from spirl_cli.domains.domain import Generator, SharedDataset
from spirl_cli.errors import DatasetError
from spirl_cli.monitor.children import variables
from spirl_cli.monitor.reporter import Reporter


def shared_dataset(
    generator: Generator, shared: SharedDataset, identity: DatasetIdentity, folder: Path, reporter: Reporter
) -> tuple[MinariFolder, float | None]:
    """Return the Minari dataset of demonstrations; make it if it is not on this computer.

    Args:
        generator: makes the demonstrations.
        shared: form of the dataset.
        identity: checksum and Minari id of the demonstrations; stored in the dataset.
        folder: keeps finished chunks until all are finished.
        reporter: shows progress.

    Returns:
        The dataset, and the share of attempts that succeeded; None for the share if the dataset existed already.

    Raises:
        DatasetError: another dataset has this name.
        Interrupted: SIGINT or SIGTERM arrived; the folder keeps finished chunks.
    """
    dataset_id = identity.name
    if not is_local(dataset_id):
        with only_maker(dataset_id, reporter.message):
            if not is_local(dataset_id):  # another process may have made it meanwhile
                generate(generator, folder, reporter)
                made = GeneratedDataset(generator, folder)
                _store(made, shared, identity)
                return MinariFolder(dataset_id), made.success_rate
    _check_same(dataset_id, identity)
    return MinariFolder(dataset_id), None


def _check_same(dataset_id: str, identity: DatasetIdentity) -> None:
    path = datasets_folder() / dataset_id / "data" / "metadata.json"
    try:
        description = str(json.loads(path.read_text(encoding="utf-8")).get("description"))
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{path} cannot be read: {error}", f"move {path.parent.parent} elsewhere, and it is made again"
        ) from error
    if identity.sha256 not in description:
        raise DatasetError(
            f"the Minari dataset '{dataset_id}' was made by another version of the scripted demonstrator",
            f"move {path.parent.parent} elsewhere, or read it with --set extract.source=minari "
            f"--set extract.dataset={dataset_id}",
        )


def _store(made: GeneratedDataset, shared: SharedDataset, identity: DatasetIdentity) -> None:
    """Write the dataset into a temporary folder and rename it."""
    from minari import create_dataset_from_buffers

    observations, actions = shared.spaces()
    with published(identity.name) as folder, variables({"MINARI_DATASETS_PATH": str(folder)}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about missing fields for an author
            create_dataset_from_buffers(
                identity.name,
                list(_buffers(made, shared)),
                observation_space=observations,
                action_space=actions,
                algorithm_name=shared.algorithm,
                description=f"{shared.description}, {identity.sha256}.",
            )


def _buffers(made: GeneratedDataset, shared: SharedDataset) -> Iterator[Any]:
    from minari.data_collector import EpisodeBuffer

    for episode in made.episodes():
        yield EpisodeBuffer(id=episode.number, **shared.episode(episode.observations["state"], episode.actions))
