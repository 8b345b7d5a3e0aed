"""Rules for the code as a whole: imports, lengths, who knows a domain, what quick commands import, references."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks import counts
from benchmarks.house import BRANCHES, KNOWING_FILES, LONGEST, MEDIAN, P90
from tests.support.commands import CHECKOUT, cli_environment


@dataclass(frozen=True)
class Rule:
    """Modules in `folder` import nothing from the folders or packages in `never`; of spirl, `only` these if given."""

    folder: str
    never: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


TRAINING = ("skills", "rl")
RULES = (
    Rule("inference", never=(*TRAINING, "torch")),
    Rule("envs", never=TRAINING),
    Rule("clips", never=TRAINING),
    Rule("demos", never=TRAINING),
    Rule("domains", only=("domains", "settings", "indices", "observation", "camera", "errors", "files")),
    Rule("pipeline", never=("demos", *(f"domains.{name}" for name in counts.domain_names(CHECKOUT)))),
    Rule("inspection", never=(*TRAINING, "store", "stages", "pipeline")),
    Rule("skills", never=("store",)),
    Rule("rl", never=("store",)),
)
# Folders that are imported only by these.
IMPORTED_BY = {"cli": ("cli", "__main__"), "inspection": ("inspection", "cli")}

HEAVY = (
    "gymnasium",
    "h5py",
    "imageio",
    "matplotlib",
    "minari",
    "mujoco",
    "numpy",
    "pydantic",
    "safetensors",
    "tensorboard",
    "torch",
)
COMPLETION = {"_SPIRL_COMPLETE": "complete_bash", "COMP_WORDS": "spirl train-rl kit", "COMP_CWORD": "2"}
QUICK: dict[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
    "help": (("--help",), {}),
    "help of a stage": (("train-rl", "--help"), {}),
    "version": (("--version",), {}),
    "list": (("list",), {}),
    "list of recipes": (("recipe", "list"), {}),
    "help of inspect": (("inspect", "--help"), {}),
    "completion": ((), COMPLETION),
}

MODULES = counts.modules(CHECKOUT)
IMPORTS = {name: counts.imports(module, MODULES) for name, module in MODULES.items()}


def is_in(name: str, folder: str) -> bool:
    """Return whether a module is one of spirl's folders, or in it; or of another package of this name."""
    return any(name == one or name.startswith(f"{one}.") for one in (f"{counts.PACKAGE}.{folder}", folder))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.folder)
def test_nothing_is_imported_against_a_rule(rule: Rule) -> None:
    importers = {name: imported for name, imported in IMPORTS.items() if is_in(name, rule.folder)}
    assert importers, f"there is no {rule.folder}"
    found = [
        f"{name} → {other}"
        for name, imported in sorted(importers.items())
        for other in sorted(imported)
        if any(is_in(other, one) for one in rule.never)
        or (rule.only and is_in(other, counts.PACKAGE) and not any(is_in(other, one) for one in rule.only))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("folder", IMPORTED_BY)
def test_some_folders_are_imported_by_few(folder: str) -> None:
    others = {
        name: imported for name, imported in IMPORTS.items() if not any(is_in(name, one) for one in IMPORTED_BY[folder])
    }
    assert [name for name, imported in others.items() if any(is_in(other, folder) for other in imported)] == []


def test_no_modules_import_one_another_in_a_circle() -> None:
    graph = {name: counts.imports(module, MODULES, at_import=True) & set(MODULES) for name, module in MODULES.items()}
    assert counts.circles(graph) == []


def test_functions_are_short() -> None:
    lines = [one.lines for one in counts.functions(MODULES.values())]
    assert counts.percentile(lines, 50) <= MEDIAN and counts.percentile(lines, 90) <= P90


@pytest.mark.parametrize("package", [counts.PACKAGE, "benchmarks"])
def test_no_function_is_long(package: str) -> None:
    functions = counts.functions(counts.modules(CHECKOUT, package).values())
    too_long = [str(function) for function in functions if function.lines > LONGEST]
    assert functions and not too_long, "\n".join(too_long)


def test_few_files_outside_a_domains_folder_know_it_by_name() -> None:
    names = counts.domain_names(CHECKOUT)
    knowing = {
        one.name: known for one in counts.outside_domains(CHECKOUT) if (known := counts.known_domains(one, names))
    }
    assert len(knowing) <= KNOWING_FILES, "\n".join(f"{name}: {', '.join(known)}" for name, known in knowing.items())


def test_nothing_outside_the_domains_asks_which_one_it_is() -> None:
    names = counts.domain_names(CHECKOUT)
    others = [one for one in counts.outside_domains(CHECKOUT) if not is_in(one.name, "domains")]
    branches = [str(place) for one in others for place in counts.kind_branches(one, names)]
    assert len(branches) <= BRANCHES, "\n".join(branches)


def test_every_reference_leads_somewhere() -> None:
    dangling = counts.dangling_references(CHECKOUT)
    assert not dangling, "\n".join(map(str, dangling))


@pytest.mark.parametrize("name", QUICK)
def test_quick_commands_import_nothing_heavy(name: str, tmp_path: Path) -> None:
    arguments, variables = QUICK[name]
    command = [sys.executable, "-X", "importtime", "-m", counts.PACKAGE, *arguments]
    done = subprocess.run(
        command, cwd=tmp_path, env=cli_environment(**variables), capture_output=True, text=True, check=True
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.split("|")[-1].strip().partition(".")[0] for line in lines}
    assert counts.PACKAGE in imported and imported.isdisjoint(HEAVY), imported & {*HEAVY}
