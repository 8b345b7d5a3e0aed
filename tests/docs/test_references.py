"""Whatever code and documents refer to is there: documents, anchors, files, sections of the paper."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.support.documents import DOCUMENTS, RECIPES, ROOT, anchors, cells, links, prose, relative, slug

CODE = tuple(sorted(path for folder in ("spirl_cli", "benchmarks", "tests") for path in (ROOT / folder).rglob("*.py")))
CITING = (
    *CODE,
    *RECIPES,
    *DOCUMENTS,
    ROOT / "spirl_cli/recipe/methods.yaml",
    ROOT / "Makefile",
    ROOT / "pyproject.toml",
)
GENERATED = (ROOT / "docs/results.md",)  # written from the published rows, so it may be missing for a moment
README_LINES, CELL = 150, 80

_DOCUMENT = re.compile(r"(?<![\w/*{])((?:[\w.-]+/)*[A-Za-z][\w-]*\.md)(?:#([\w-]+))?")
_SECTION = re.compile(r"§")
_OF_THE_PAPER = re.compile(r"paper(?:'s)? §[\d.]+|§[\d.]+ of the paper")
_NUMBERED = re.compile(r"#\s+\d\.\d+ [a-z]")
_FILE = re.compile(r"`((?:spirl_cli|benchmarks|tests|recipes|docs|artifacts/reference|\.ci)/[\w./-]+)`")


def citations(text: str) -> list[tuple[str, str]]:
    """Return the Markdown documents that a text names, each with its anchor or an empty string."""
    return _DOCUMENT.findall(text)


def dangling(text: str, folder: Path) -> list[str]:
    """Return the documents and anchors in a text that do not exist, seen from the root and from a folder."""
    missing = []
    for name, anchor in citations(text):
        found = next((path for path in (ROOT / name, folder / name) if path.is_file()), None)
        if found is None and ROOT / name not in GENERATED and folder / name not in GENERATED:
            missing.append(name)
        elif found is not None and anchor and anchor not in anchors(found):
            missing.append(f"{name}#{anchor}")
    return missing


def unexplained(text: str) -> list[str]:
    """Return lines with numbers of sections that do not say whose sections they are."""
    return [
        line.strip()
        for line in text.splitlines()
        if len(_SECTION.findall(line)) > len(_OF_THE_PAPER.findall(line)) or _NUMBERED.search(line)
    ]


def missing_files(text: str) -> list[str]:
    """Return the files in backticks, named from the root of the checkout, that do not exist."""
    return [name for name in _FILE.findall(text) if not (ROOT / name).exists()]


def problems(paths: Iterable[Path], find: Callable[[Path], list[str]]) -> dict[str, list[str]]:
    """Return what `find` finds wrong, by file; this file is left out, since it holds examples."""
    found = {relative(path): find(path) for path in paths if path != Path(__file__)}
    return {name: wrong for name, wrong in found.items() if wrong}


def broken_links(path: Path) -> list[str]:
    """Return the links of a document whose file or anchor does not exist."""
    broken = []
    for link in links(path):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if target in GENERATED and not target.exists():
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def repeated_headings(path: Path) -> list[str]:
    """Return the anchors that a document has twice."""
    found = [slug(heading) for heading in re.findall(r"^#+ +(.+?) *$", prose(path), re.MULTILINE)]
    return sorted({anchor for anchor in found if found.count(anchor) > 1})


def test_cited_documents_and_anchors_exist() -> None:
    assert problems(CITING, lambda path: dangling(path.read_text(encoding="utf-8"), path.parent)) == {}


def test_numbers_of_sections_say_that_they_are_the_papers() -> None:
    paths = (*CODE, *RECIPES, *DOCUMENTS)
    assert problems(paths, lambda path: unexplained(path.read_text(encoding="utf-8"))) == {}


def test_named_files_exist() -> None:
    assert problems(CITING, lambda path: missing_files(path.read_text(encoding="utf-8"))) == {}


def test_links_resolve() -> None:
    assert problems(DOCUMENTS, broken_links) == {}


def test_headings_have_anchors_of_their_own() -> None:
    repeating = (*GENERATED, ROOT / "CHANGELOG.md")  # the same under every environment, and under every version
    assert problems(set(DOCUMENTS).difference(repeating), repeated_headings) == {}


def test_cells_of_tables_are_short() -> None:
    assert problems(DOCUMENTS, lambda path: [cell for cell in cells(path) if len(cell) > CELL]) == {}


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


class TestTheChecks:
    """The checks above find what they are for."""

    @pytest.mark.parametrize("text", ["see DESIGN.md", "(docs/method.md#no-such-anchor)", "in docs/nothing.md."])
    def test_dangling_documents_are_found(self, text: str) -> None:
        assert len(dangling(text, ROOT)) == 1

    @pytest.mark.parametrize("text", ["(METHOD §2)", "x = 1  # 5.1 one step late", "see §5.4"])
    def test_unexplained_sections_are_found(self, text: str) -> None:
        assert len(unexplained(text)) == 1

    @pytest.mark.parametrize("text", ["(paper §3.2)", "the paper's §3.3", "docs/method.md#losses", "width 0.5 of it"])
    def test_explained_ones_are_left_alone(self, text: str) -> None:
        assert unexplained(text) == [] == dangling(text, ROOT)

    def test_missing_files_are_found(self) -> None:
        assert missing_files("`docs/method.md` and `spirl_cli/nothing.py`") == ["spirl_cli/nothing.py"]

    def test_broken_links_are_found(self, tmp_path: Path) -> None:
        document = tmp_path / "a.md"
        document.write_text(
            "# A b\n[1](#a-b) [2](#c) [3](b.md) ![4](https://example.com/x.png)\n```sh\n[5](d.md)\n```\n"
        )
        assert broken_links(document) == ["#c", "b.md"]

    def test_long_cells_are_found(self, tmp_path: Path) -> None:
        document = tmp_path / "a.md"
        document.write_text(f"| a | {'b' * 81} | [c](docs/{'d' * 90}.md) |\n")
        assert [len(cell) for cell in cells(document)] == [1, 81, 1]

    def test_anchors_are_those_of_github(self) -> None:
        assert slug("Time-outs stored as terminal, `x`") == "time-outs-stored-as-terminal-x"
