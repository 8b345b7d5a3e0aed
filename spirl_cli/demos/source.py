"""The source of a recipe's demonstrations: a stored dataset, or a generator of the domain.

`find_source` is the one place that reads `extract.source`. The source that it returns tells its identity without the
network, tells why it was chosen, and opens the demonstrations. `find_sources` returns one for each dataset of a recipe.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, cast

from spirl_cli.demos.dataset import Dataset
from spirl_cli.demos.demonstrations import Demonstrations
from spirl_cli.demos.download import download
from spirl_cli.demos.formats.detect import PATH_SUFFIXES, open_dataset
from spirl_cli.demos.formats.minari import MinariFolder, is_local
from spirl_cli.demos.identity import DatasetIdentity, generated_identity, identity_of
from spirl_cli.domains.domain import Generator, SharedDataset, Wanted
from spirl_cli.domains.registry import domain_of, find_domain, kinds
from spirl_cli.domains.section import EnvSection, PlannerKey
from spirl_cli.errors import UsageError
from spirl_cli.files import expanded
from spirl_cli.monitor.reporter import Reporter
from spirl_cli.recipe.sections.extract import ExtractSection
from spirl_cli.settings import WHOLE_OBSERVATION, images_of


class Source(Protocol):
    """A source of demonstrations."""

    @property
    def why(self) -> str:
        """Return why this source was chosen, for messages."""
        ...

    @property
    def stand_in(self) -> Source | None:
        """Source that replaces this one if its dataset is not available; None without one."""
        ...

    def identity(self) -> DatasetIdentity | None:
        """Return the dataset's identity, or None if it is not on this computer; never uses the network.

        Raises:
            DatasetError: the local dataset is damaged.
        """
        ...

    def fetch(self, reporter: Reporter) -> DatasetIdentity:
        """Download the dataset if it is not on this computer; return its identity.

        Raises:
            DatasetError: it is neither on this computer nor can be downloaded.
        """
        ...

    def open(self, folder: Path, reporter: Reporter) -> Demonstrations:
        """Open, download or make the demonstrations.

        Args:
            folder: keeps generated episodes; those that it has already are not made again.
            reporter: shows progress.

        Raises:
            DatasetError: the dataset is not available or empty, or its actions are not continuous or lack finite
                bounds.
            UsageError: the recipe asks for something that generated demonstrations do not have.
            Interrupted: SIGINT or SIGTERM arrived; the folder keeps finished episodes.
        """
        ...


def find_sources(section: ExtractSection, env: EnvSection) -> tuple[Source, ...]:
    """Return the sources of a recipe's demonstrations: one for each dataset, or one that makes them.

    Where there are several datasets, nothing stands in for one that is missing.

    Args:
        section, env: as for `find_source`.

    Raises:
        UsageError: as `find_source`.
    """
    if len(section.datasets) < 2 or section.source in ("planner", "scripted"):
        return (find_source(section, env),)
    masks = section.filter if isinstance(section.filter, tuple) else (section.filter,) * len(section.datasets)
    sections = (
        section.model_copy(update={"dataset": name, "filter": mask})
        for name, mask in zip(section.datasets, masks, strict=True)
    )
    return tuple(replace(find_source(one, env), stand_in=None) for one in sections)  # type: ignore[type-var]


def find_source(section: ExtractSection, env: EnvSection) -> Source:
    """Return the source of a recipe's demonstrations.

    Args:
        section: the recipe's `extract`, its observation resolved.
        env: the recipe's environment; its domain may make demonstrations.

    Raises:
        UsageError: the domain makes no such demonstrations, or they lack something that the recipe asks for.
    """
    planner = env.planner
    if section.source in ("planner", "scripted"):
        if planner is None or planner.source != section.source or _lacks_settings(section, planner):
            raise _other_domain(section, env)
        return _generated(section, env, f"extract.source is '{section.source}'")
    if section.source != "auto":
        return StoredSource(section, f"extract.source is '{section.source}'")
    stand_in = None
    if planner is not None and planner.stands_in and not _is_path(section):
        stand_in = _generated(section, env, f"{section.dataset} is neither on this machine nor could it be downloaded")
    return StoredSource(section, "it is on this machine", stand_in)


@dataclass(frozen=True)
class StoredSource:
    """A dataset that is on this computer or can be downloaded."""

    section: ExtractSection
    why: str
    stand_in: Source | None = None

    def identity(self) -> DatasetIdentity | None:
        """Return the identity of the local files; they are read once, then the checksum is cached."""
        if _is_path(self.section) and not os.path.exists(expanded(self._name)):
            return None
        dataset = self.local()
        return None if dataset is None else identity_of(dataset)

    def fetch(self, reporter: Reporter) -> DatasetIdentity:
        """Download a Minari dataset that is not local."""
        return self.open(Path(), reporter).identity

    def open(self, folder: Path, reporter: Reporter) -> Demonstrations:
        """Open the dataset; download a Minari dataset that is not local."""
        dataset = self.local()
        if dataset is None:
            download(self._name, reporter.message)
            dataset = MinariFolder(self._name)
        return Demonstrations(self.section, dataset, identity_of(dataset))

    def local(self) -> Dataset | None:
        """Open the dataset if it is on this computer, else return None; never uses the network.

        Raises:
            DatasetError: there is a path of this name, but no dataset that can be read.
        """
        if _is_path(self.section):
            seen = images_of(self.section.observation or ())
            return open_dataset(self._name, self._mask, [part.key for part in seen if part.key is not None])
        return MinariFolder(self._name) if is_local(self._name) else None

    @property
    def _mask(self) -> str | None:
        assert not isinstance(self.section.filter, tuple), "a list of masks belongs to several datasets"
        return self.section.filter

    @property
    def _name(self) -> str:
        return _name(self.section)


@dataclass(frozen=True)
class GeneratedSource:
    """Demonstrations that the domain makes for one run."""

    section: ExtractSection
    kind: str  # name of the source in the dataset's reference
    generator: Generator
    why: str
    stand_in: None = None

    def identity(self) -> DatasetIdentity:
        """Return the identity of the demonstrations, which need not exist yet."""
        one = self.generator
        return generated_identity(self.kind, one.name, one.episodes, one.decides)

    def fetch(self, reporter: Reporter) -> DatasetIdentity:
        """Return the identity: there is nothing to fetch."""
        return self.identity()

    def open(self, folder: Path, reporter: Reporter) -> Demonstrations:
        """Make missing episodes and open the demonstrations."""
        from spirl_cli.demos.generation import GeneratedDataset, generate

        if self.section.short_episodes == "join":
            raise UsageError(
                "extract.short_episodes: demonstrations from a planner cannot be joined, each has a scene of its own",
                "use --set extract.short_episodes=skip",
            )
        identity = self.identity()
        generator = replace(self.generator, name=identity.reference)
        generate(generator, folder, reporter)
        dataset = GeneratedDataset(generator, folder)
        return Demonstrations(self.section, dataset, identity, dataset.success_rate if generator.may_fail else None)


@dataclass(frozen=True)
class SharedSource:
    """Demonstrations that the domain makes once for all runs on this computer."""

    section: ExtractSection
    kind: str  # name of the source in the dataset's reference
    generator: Generator
    shared: SharedDataset
    why: str
    stand_in: None = None

    def identity(self) -> DatasetIdentity:
        """Return the identity of the demonstrations, which need not exist yet.

        Its name is the Minari id of the demonstrations, such as `spirl/kitchen-scripted-v0`; if they are not the
        default ones, it ends with a part of the checksum.
        """
        shared, one = self.shared, self.generator
        identity = generated_identity(self.kind, f"{shared.name}-v0", one.episodes, one.decides)
        return identity if shared.usual else replace(identity, name=f"{shared.name}-{identity.sha256[:8]}-v0")

    def fetch(self, reporter: Reporter) -> DatasetIdentity:
        """Return the identity: there is nothing to fetch."""
        return self.identity()

    def open(self, folder: Path, reporter: Reporter) -> Demonstrations:
        """Make the dataset, or find the one made earlier."""
        from spirl_cli.demos.shared import shared_dataset

        identity = self.identity()
        generator = replace(self.generator, name=identity.reference)
        dataset, rate = shared_dataset(generator, self.shared, identity, folder, reporter)
        return Demonstrations(self.section, dataset, identity, rate)


def _lacks_settings(section: ExtractSection, planner: PlannerKey) -> bool:
    """Say whether the planner's settings are missing and needed; planners that may stand in have defaults."""
    return not planner.stands_in and getattr(section, planner.key) is None


def _other_domain(section: ExtractSection, env: EnvSection) -> UsageError:
    """Return the error for demonstrations that only another domain makes."""
    planners = {kind: find_domain(kind).section.planner for kind in kinds()}
    makers = [kind for kind, one in planners.items() if one is not None and one.source == section.source]
    given = [kind for kind in makers if not _lacks_settings(section, cast(PlannerKey, planners[kind]))]
    names = " or ".join(f"'{kind}'" for kind in given or makers)
    return UsageError(
        f"extract.source '{section.source}' makes demonstrations for env.kind {names}, not '{env.kind}'",
        "name a dataset with --set extract.source=auto --set extract.dataset=ID",
    )


def _generated(section: ExtractSection, env: EnvSection, why: str) -> GeneratedSource | SharedSource:
    assert env.planner is not None
    settings = getattr(section, env.planner.key)
    wanted = Wanted(settings, section.episodes, section.seed or 0, section.observation or WHOLE_OBSERVATION)
    generator = domain_of(env).demonstrations(wanted)
    assert generator is not None, "a domain with a planner makes demonstrations"
    if generator.shared is None:
        return GeneratedSource(section, env.planner.source, generator, why)
    return SharedSource(section, env.planner.source, generator, generator.shared, why)


def _is_path(section: ExtractSection) -> bool:
    """Say whether `source: auto` means a path: if the path exists or the name can be nothing else."""
    if section.source != "auto":
        return section.source == "hdf5"
    name = _name(section)
    return os.path.exists(expanded(name)) or name.startswith((".", "/", "~")) or name.endswith(PATH_SUFFIXES)


def _name(section: ExtractSection) -> str:
    assert isinstance(section.dataset, str), "a recipe without a dataset has a planner; of several, each is named alone"
    return section.dataset
