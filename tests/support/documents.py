"""Read the project's documents: their headings, links, tables and code blocks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = tuple(
    sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
)
RECIPES = tuple(sorted((ROOT / "recipes").rglob("*.yaml")))
SHELLS = ("sh", "bash", "console")

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"\[[^]]*]\(([^)\s]+)\)")
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")


@dataclass(frozen=True)
class Block:
    """A fenced code block, or a line that stands for one."""

    source: str  # the file, relative to the root of the checkout
    language: str
    text: str


def relative(path: Path) -> str:
    """Name a file as it is named in messages."""
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path) -> list[Block]:
    """Return the fenced code blocks of a document."""
    return [Block(relative(path), *found) for found in _BLOCK.findall(path.read_text(encoding="utf-8"))]


def prose(path: Path) -> str:
    """Return a document without its code blocks."""
    return _BLOCK.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    return {slug(heading) for heading in _HEADING.findall(prose(path))}


def slug(heading: str) -> str:
    """Turn a heading into its anchor: lower case, no punctuation, dashes for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def links(path: Path) -> list[str]:
    """Return the relative targets of a document's links and pictures."""
    return [link for link in _LINK.findall(prose(path)) if "://" not in link]


def cells(path: Path) -> list[str]:
    """Return the cells of a document's tables, as they are shown: a link counts with its text only."""
    rows = [line.strip()[1:-1] for line in prose(path).splitlines() if line.startswith("|")]
    return [re.sub(r"\[([^]]*)]\([^)]*\)", r"\1", cell).strip() for row in rows for cell in row.split("|")]


def quoted(path: Path) -> list[str]:
    """Return what stands in single backticks outside of code blocks."""
    return re.findall(r"`([^`\n]+)`", prose(path))


def command_lines() -> list[Block]:
    """Return all command lines that documents and headers of recipes show."""
    current = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]  # its commands are history
    shown = [line for path in current for block in blocks(path) for line in _lines(block)]
    inline = [
        Block(relative(path), "sh", text)
        for path in current
        for text in quoted(path)
        if re.match(r"(spirl|python -m|make) [a-z.-]+", text)
    ]
    return [*shown, *inline, *(line for path in RECIPES for line in _header(path))]


def _lines(block: Block) -> Iterator[Block]:
    if block.language not in SHELLS:
        return
    for line in block.text.replace("\\\n", " ").splitlines():
        command = line.removeprefix("$ ")
        is_output = block.language == "console" and command == line
        if command.strip() and not command.startswith("#") and not is_output:
            yield Block(block.source, block.language, command)


def _header(path: Path) -> Iterator[Block]:
    """Yield the commands in the opening comment of a recipe: they are indented."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            return
        if found := re.match(r"#\s{2,}((?:spirl|python -m) .*)", line):
            yield Block(relative(path), "sh", found[1])


def words(line: str) -> list[list[str]]:
    """Split a command line into simple commands, those of `$(…)` first, without redirections and variables."""
    inner = [command for text in _SUBSTITUTION.findall(line) for command in words(text)]
    lexer = shlex.shlex(_SUBSTITUTION.sub("SUBSTITUTED", line), posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for token in lexer:
        if set(token) <= set("|&;"):
            commands.append([])
        elif commands[-1] or not re.fullmatch(r"\w+=.*", token):
            commands[-1].append(token)
    return [*inner, *(command for command in commands if command)]
