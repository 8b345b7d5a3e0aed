"""All domains: those of spirl and those that other packages register.

A package registers a domain by an entry point of the group `spirl.domains`. The entry point has the name of the
domain's `env.kind` and points to a subclass of `Domain`. A domain is imported when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic_core import PydanticKnownError

from spirl_cli.domains.domain import Domain
from spirl_cli.domains.section import EnvSection
from spirl_cli.errors import UsageError, did_you_mean

GROUP = "spirl.domains"
_BUILT_IN = {
    "kitchen": "spirl_cli.domains.kitchen.domain:KitchenDomain",
    "gymnasium": "spirl_cli.domains.gymnasium.domain:GymnasiumDomain",
    "maze": "spirl_cli.domains.maze.domain:MazeDomain",
    "blocks": "spirl_cli.domains.blocks.domain:BlocksDomain",
}


@cache
def _registered() -> dict[str, EntryPoint]:
    """Return the domains of other packages by kind; they cannot replace one of spirl's own."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in _BUILT_IN}


def kinds() -> tuple[str, ...]:
    """Return the names of all domains, those of spirl first."""
    return (*_BUILT_IN, *sorted(_registered()))


@cache
def find_domain(kind: str) -> Domain:
    """Return the domain of a kind of environment.

    Raises:
        UsageError: no domain has this kind, or the package that registers it is broken.
    """
    if kind in _BUILT_IN:
        module, name = _BUILT_IN[kind].split(":")
        return _checked(kind, getattr(import_module(module), name))
    if kind not in kinds():
        raise UsageError(f"env.kind: there is no domain '{kind}'.{did_you_mean(kind, kinds())}")
    point = _registered()[kind]
    try:
        return _checked(kind, point.load())
    except (ImportError, AttributeError, TypeError) as error:
        raise UsageError(
            f"env.kind '{kind}': {point.value} cannot be used: {error}",
            "repair or uninstall the package that registers it",
        ) from error


def domain_of(section: EnvSection) -> Domain:
    """Return the domain that a section of a recipe belongs to."""
    return find_domain(section.kind)


def read_section(values: object) -> EnvSection:
    """Return the typed form of an environment's section.

    Args:
        values: the section in a recipe or manifest, with the key `kind`; a typed section is returned unchanged.

    Raises:
        ValueError: it is no mapping with a known kind; pydantic's form of an error.
        pydantic.ValidationError: one of its keys is wrong.
    """
    if isinstance(values, EnvSection):
        return values
    if not isinstance(values, Mapping):
        raise PydanticKnownError("dict_type")
    return section_type(values).model_validate(dict(values))


def section_type(values: Mapping[str, Any]) -> type[EnvSection]:
    """Return the class of a section from its `kind`.

    Raises:
        ValueError: no domain has this kind; pydantic's form of an error.
    """
    if "kind" not in values:
        raise PydanticKnownError("union_tag_not_found", {"discriminator": "'kind'"})
    kind = values["kind"]
    if kind not in kinds():
        expected = ", ".join(f"'{one}'" for one in kinds())
        context = {"discriminator": "'kind'", "tag": str(kind), "expected_tags": expected}
        raise PydanticKnownError("union_tag_invalid", context)
    return find_domain(kind).section


def _checked(kind: str, domain: type[Domain]) -> Domain:
    """Make a domain and check that its section has the kind under which it is registered."""
    made = domain()
    if not isinstance(made, Domain) or not issubclass(made.section, EnvSection):
        raise TypeError("it is no subclass of spirl_cli.domains.domain.Domain with a section")
    return made
