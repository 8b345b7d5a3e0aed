"""Counts in the source of spirl: sizes of functions, imports, modules that know a domain, references.

The source is read as text or as a syntax tree, and never imported.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeGuard

PACKAGE = "spirl_cli"
DOMAINS = f"{PACKAGE}.domains"
# Domain with the name of a library; strings with this name do not mean the domain.
LIBRARIES = ("gymnasium",)


@dataclass(frozen=True)
class Module:
    """A module of a package: its dotted name and its file."""

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.path.read_text(encoding="utf-8"), str(self.path))


@dataclass(frozen=True)
class Function:
    """A function or method, and its number of lines without decorators."""

    module: str
    name: str
    lines: int

    def __str__(self) -> str:
        return f"{self.module}.{self.name}: {self.lines} lines"


@dataclass(frozen=True)
class Place:
    """A line of a file, and the text that was found there."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def modules(root: Path, package: str = PACKAGE) -> dict[str, Module]:
    """Return all modules of a package by name; the name of a package stands for its `__init__`."""
    found = {}
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path)
    return found


def functions(known: Iterable[Module]) -> list[Function]:
    """Return all functions, the longest first."""
    found = [
        Function(module.name, node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for module in known
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return sorted(found, key=lambda function: -function.lines)


def percentile(values: Iterable[int], percent: int) -> int:
    """Return a percentile: the smallest value that at least `percent` percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * percent // 100) - 1]


# --- imports


def imports(module: Module, known: Iterable[str], *, at_import: bool = False) -> set[str]:
    """Return the modules that a module imports: names among `known`, or the top-level names of other packages.

    Args:
        module: the importing module.
        known: names of modules, which tell whether `from a import b` imports the module a.b.
        at_import: leave out imports inside functions and imports for type checkers.
    """
    names = frozenset(known)
    nodes = _run_at_import(module.tree.body) if at_import else ast.walk(module.tree)
    return {name for node in nodes for name in _imported(node, names)}


def circles(graph: dict[str, set[str]]) -> list[tuple[str, ...]]:
    """Return groups of modules that import one another, directly or indirectly."""
    reached = {name: _reach(graph, name) for name in graph}
    groups = {tuple(sorted(other for other in reached[name] if name in reached.get(other, ()))) for name in reached}
    return sorted(group for group in groups if group)


def _run_at_import(body: Iterable[ast.stmt]) -> Iterator[ast.AST]:
    """Yield the nodes that run when a module is imported."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _run_at_import(node.orelse)
            continue
        yield node
        yield from _run_at_import(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))


def _imported(node: ast.AST, known: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (_shortened(alias.name, known) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            submodule = f"{node.module}.{alias.name}"
            yield submodule if submodule in known else _shortened(node.module, known)


def _shortened(name: str, known: frozenset[str]) -> str:
    return name if name in known else name.partition(".")[0]


def _reach(graph: dict[str, set[str]], start: str) -> set[str]:
    """Return the modules that a module reaches in one or more steps."""
    reached: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += graph.get(name, ())
    return reached


# --- domains


def domain_names(root: Path) -> list[str]:
    """Return the names of spirl's own domains: the folders in `domains/`."""
    return sorted(path.parent.name for path in (root / PACKAGE / "domains").glob("*/__init__.py"))


def outside_domains(root: Path) -> list[Module]:
    """Return the modules of the package outside the folders of domains."""
    folders = tuple(f"{DOMAINS}.{name}" for name in domain_names(root))
    return [
        module
        for name, module in modules(root).items()
        if not f"{name}.".startswith(tuple(f"{one}." for one in folders))
    ]


def known_domains(module: Module, names: Iterable[str]) -> set[str]:
    """Return the domains that a module knows by name.

    A module knows a domain if it imports from the domain's folder, has a class, constant or variable named after it
    (`MazeSection`, `KITCHEN_TASKS`, `blocks_image`), or has a string that is its name or begins with its package's
    name.
    """
    words = {word for node in ast.walk(module.tree) for word in _words(node)}
    return words & {*names}


def kind_branches(module: Module, names: Iterable[str]) -> list[Place]:
    """Return the places at which a module branches on the domain of an environment.

    These are calls of `isinstance`, comparisons and cases of a `match` with a class that is named after a domain or
    after drawn domains, or with a domain's name.
    """
    classes = "|".join(name.title() for name in [*names, "drawn"])
    asked = re.compile(rf"\b({classes})\w*Section\b|[\"']({'|'.join(names)})[\"']")
    questions = [node for node in ast.walk(module.tree) if _is_question(node)]
    shown = [(node.lineno, ast.unparse(node)) for node in questions]
    return [Place(Path(module.name), line, text) for line, text in sorted(shown) if asked.search(text)]


def _is_question(node: ast.AST) -> TypeGuard[ast.Call | ast.Compare | ast.pattern]:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "isinstance"
    return isinstance(node, ast.Compare | ast.MatchClass | ast.MatchValue)


def _words(node: ast.AST) -> Iterator[str]:
    """Yield the first words of identifiers in a node, its strings, and the domains of modules that it names."""
    texts = [
        value for value in map(node.__dict__.get, ("id", "attr", "name", "arg", "value")) if isinstance(value, str)
    ]
    if isinstance(node, ast.ImportFrom):
        texts += [f"{node.module}.{alias.name}" for alias in node.names]
    for text in texts:
        if text.startswith(f"{DOMAINS}."):
            yield text.split(".")[2]
        elif isinstance(node, ast.Constant):
            yield "" if text in LIBRARIES else text
        elif first := re.match(r"_*([A-Z]?[a-z]+|[A-Z]+)(?=[A-Z_])", text):
            yield first[1].lower()


# --- prose

# A document that was never part of the repository, and comments that begin with numbers of its sections.
SECTION_OF_NOTHING = re.compile(r"\bM[E]THOD\b(?![\"'])|  # [1-9]\.[1-9]\b(?!\.)")
DOCUMENT = re.compile(r"(?<![\w/:.-])((?:[\w-]+/)*[\w-]+\.md)(?:#([\w-]+))?")
TREES = "spirl_cli|benchmarks|tests|recipes|docs|artifacts/reference"
FILE = re.compile(rf"(?<![\w/.-])((?:{TREES})/[\w./-]*\w/?)(?![\w…*<{{-])")
BUILT = ("spirl_cli/_recipes",)  # exists only in a wheel
DOTTED = re.compile(rf"`((?:{PACKAGE}|benchmarks)(?:\.\w+)+)`")
PROGRAM = re.compile(rf"python -m ((?:{PACKAGE}|benchmarks)(?:\.[a-z_]+)*)(?!\.[A-Z])")
TARGET = re.compile(r"`make ([a-z-]+)\b")
HISTORY = ("CHANGELOG.md",)  # names things that do not exist any more
TEXTS = ("*.md", "recipes/**/*.yaml", "docs/**/*.md", ".ci/*", "Makefile", "pyproject.toml")


def longest_cell(text: str) -> int:
    """Return the number of characters of the longest table cell in Markdown; links count by their text only."""
    shown = re.sub(r"\[([^]]*)]\([^)]*\)", r"\1", text)
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    return max((len(cell.strip()) for row in rows for cell in row.split("|")), default=0)


def dangling_references(root: Path) -> list[Place]:
    """Return the places that refer to something that the repository does not have.

    A reference may name a document, an anchor, a file, a module, a program (`python -m …`) or a target of the Makefile.
    """
    found = []
    for path, lines in _prose(root):
        for number, line in lines:
            found += [Place(path.relative_to(root), number, text) for text in _dangling(root, path, line)]
    return found


def _prose(root: Path) -> Iterator[tuple[Path, list[tuple[int, str]]]]:
    """Yield every file with the lines that may have references; Python files with comments and strings.

    Tests count with docstrings alone, since their other strings name files that the tests make.
    """
    for tree in (PACKAGE, "benchmarks", "tests"):
        for path in sorted((root / tree).rglob("*.py")):
            yield path, list(_comments(path.read_text(encoding="utf-8"), docstrings_only=tree == "tests"))
    for pattern in TEXTS:
        for path in sorted(path for path in root.glob(pattern) if path.is_file() and path.name not in HISTORY):
            yield path, list(enumerate(path.read_text(encoding="utf-8").splitlines(), 1))


def _comments(source: str, *, docstrings_only: bool) -> Iterator[tuple[int, str]]:
    """Yield the lines of comments, each after two spaces, and of strings."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], f"  {token.string}"
        elif token.type == tokenize.STRING and (not docstrings_only or token.string.startswith('"""')):
            yield from enumerate(token.string.splitlines(), token.start[0])


def _dangling(root: Path, path: Path, line: str) -> Iterator[str]:
    yield from (match[0].strip() for match in SECTION_OF_NOTHING.finditer(line))
    for document, anchor in DOCUMENT.findall(line):
        target = next((folder / document for folder in (path.parent, root) if (folder / document).is_file()), None)
        if target is None:
            yield document
        elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
            yield f"{document}#{anchor}"
    yield from (
        name for name in FILE.findall(line) if not name.endswith((".md", *BUILT)) and not (root / name).exists()
    )
    yield from (name for name in DOTTED.findall(line) if not _is_there(root, name))
    yield from (f"python -m {name}" for name in PROGRAM.findall(line) if not _is_program(root, name))
    yield from (f"make {name}" for name in TARGET.findall(line) if not _is_target(root, name))


def anchors(text: str) -> set[str]:
    """Return the anchors of a Markdown document: GitHub's anchors of headings, and anchors in HTML."""
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r"<a (?:id|name)=\"([\w-]+)\"", text))


def _is_there(root: Path, name: str) -> bool:
    """Say whether a dotted name is a module, or a name that a module defines or imports."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        base = root.joinpath(*parts[:count])
        files = [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()]
        if files:
            return (
                count == len(parts)
                or re.search(rf"\b{parts[count]}\b", files[0].read_text(encoding="utf-8")) is not None
            )
    return False


def _is_program(root: Path, name: str) -> bool:
    """Say whether `python -m name` runs something of this repository."""
    base = root.joinpath(*name.split("."))
    if base.is_dir():
        return (base / "__main__.py").is_file()
    return base.with_suffix(".py").is_file() and "__main__" in base.with_suffix(".py").read_text(encoding="utf-8")


def _is_target(root: Path, name: str) -> bool:
    makefile = root / "Makefile"
    return makefile.is_file() and f"\n{name}:" in makefile.read_text(encoding="utf-8")
