"""Counting in source code, on a small package made for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import counts, house

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a file of a repository below the test's folder.

    `~` stands for the ending of documents, so that no test names one that is not there.
    """

    def write_(name: str, text: str) -> None:
        path = tmp_path / name.replace("~", ".md")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("~", ".md"))

    return write_


class TestFunctions:
    def test_lines_are_counted_from_def_to_end_and_the_longest_is_first(self, tmp_path: Path, write: Write) -> None:
        write(
            "spirl_cli/a.py",
            "def f():\n    return 1\n\nclass C:\n    @staticmethod\n    def g(\n        x,\n    ):\n        pass\n",
        )
        found = counts.functions(counts.modules(tmp_path).values())
        assert [(one.name, one.lines) for one in found] == [("g", 4), ("f", 2)]

    @pytest.mark.parametrize(("percent", "value"), [(50, 5), (90, 9), (91, 10), (100, 10)])
    def test_percentiles_are_values_that_occur(self, percent: int, value: int) -> None:
        assert counts.percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent) == value


class TestImports:
    SOURCE = (
        "from typing import TYPE_CHECKING\nfrom spirl_cli import b\nimport torch.nn\n"
        "if TYPE_CHECKING:\n    from spirl_cli.c import D\n"
        "try:\n    import numpy\nexcept ImportError:\n    pass\n"
        "def f():\n    from spirl_cli.d.e import g\n"
    )

    @pytest.fixture
    def known(self, tmp_path: Path, write: Write) -> dict[str, counts.Module]:
        write("spirl_cli/a.py", self.SOURCE)
        for name in ("__init__", "b", "c", "d/__init__", "d/e"):
            write(f"spirl_cli/{name}.py", "")
        return counts.modules(tmp_path)

    def test_all_of_them_are_found(self, known: dict[str, counts.Module]) -> None:
        own = {"spirl_cli.b", "spirl_cli.c", "spirl_cli.d.e"}
        assert counts.imports(known["spirl_cli.a"], known) == own | {"typing", "torch", "numpy"}

    def test_those_that_run_at_import_are_told_apart(self, known: dict[str, counts.Module]) -> None:
        at_import = counts.imports(known["spirl_cli.a"], known, at_import=True)
        assert at_import == {"spirl_cli.b", "typing", "torch", "numpy"}

    def test_circles_are_found_whole_and_once(self) -> None:
        graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": set[str]()}
        assert counts.circles(graph) == [("a", "b", "c")]
        assert counts.circles({"a": {"b"}, "b": set()}) == []


class TestDomains:
    @pytest.fixture
    def ask(self, tmp_path: Path, write: Write) -> Callable[[str], tuple[set[str], int]]:
        """Return a function that tells of a source which domains it knows, and how many branches it has."""
        for name in ("maze", "gymnasium"):
            write(f"spirl_cli/domains/{name}/__init__.py", "")

        def ask_(source: str) -> tuple[set[str], int]:
            write("spirl_cli/a.py", source)
            names = counts.domain_names(tmp_path)
            assert names == ["gymnasium", "maze"]
            (module,) = [one for one in counts.outside_domains(tmp_path) if one.name == "spirl_cli.a"]
            return counts.known_domains(module, names), len(counts.kind_branches(module, names))

        return ask_

    @pytest.mark.parametrize(
        "source",
        [
            "from spirl_cli.domains.maze.env import make",
            "from spirl_cli.domains import maze",
            "x = MazeSection()",
            "MAZE_TASKS = ()",
            "def maze_image(): ...",
            "x = 'maze'",
            "x = import_module('spirl_cli.domains.maze')",
        ],
    )
    def test_names_are_found(self, ask: Callable[[str], tuple[set[str], int]], source: str) -> None:
        assert ask(source) == ({"maze"}, 0)

    @pytest.mark.parametrize("source", ['"""A maze."""', "# maze", "import gymnasium\nx = 'gymnasium'", "amaze_me = 1"])
    def test_prose_and_libraries_are_no_knowledge(
        self, ask: Callable[[str], tuple[set[str], int]], source: str
    ) -> None:
        assert ask(source) == (set(), 0)

    @pytest.mark.parametrize(
        ("source", "branches"),
        [
            ("isinstance(x, MazeSection | Other)", 1),
            ("isinstance(x, DrawnSection)", 1),
            ("x.kind == 'maze' and x.kind in ('gymnasium', 'b')", 2),
            ("match x:\n    case 'maze':\n        y = 'gymnasium'", 1),
            ("match x:\n    case MazeSection(size=3):\n        pass", 1),
            ("type(x) is MazeSection", 1),
            ("isinstance(x, Path)", 0),
        ],
    )
    def test_branches_are_counted(self, ask: Callable[[str], tuple[set[str], int]], source: str, branches: int) -> None:
        assert ask(source)[1] == branches


class TestProse:
    def test_cells_are_measured_in_tables_only(self) -> None:
        assert counts.longest_cell("a very long line of text\n| abc | abcdef |\n|---|---|\n") == 6
        assert counts.longest_cell("no table") == 0
        assert counts.longest_cell("| [abc](docs/a-long-name) |") == 3

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("see docs/there~ and there~, https://example.com/missing~", []),
            ("see docs/there~#the-loss-and-its-parts and docs/there~#own", []),
            ("see docs/there~#missing", ["docs/there~#missing"]),
            ("see missing~", ["missing~"]),
            ("as spirl_cli/a.py and spirl_cli/b.py say", ["spirl_cli/b.py"]),
            (
                "`spirl_cli.a`, `spirl_cli.a.known`, `spirl_cli.a.unknown`, `spirl_cli.b`",
                ["spirl_cli.a.unknown", "spirl_cli.b"],
            ),
            ("artifacts/reference/kitchen-… and recipes/*.yaml", []),
            ("`python -m spirl_cli.a.` or `python -m spirl_cli.run --help`", ["python -m spirl_cli.a"]),
            ("`python -m benchmarks.NAME`, where NAME is any", []),
            ("type `make all` or `make clean`, and make do", ["make clean"]),
        ],
    )
    def test_references_that_lead_nowhere_are_found(
        self, tmp_path: Path, write: Write, text: str, found: list[str]
    ) -> None:
        write("spirl_cli/a.py", "known = 1\n")
        write("spirl_cli/run.py", 'if __name__ == "__main__":\n    pass\n')
        write("Makefile", "\nall: other\n")
        write("docs/there~", '# The loss, and its parts\n<a id="own"></a>\n')
        write("docs/text~", f"{text}\n")
        texts = [place.text.replace(".md", "~") for place in counts.dangling_references(tmp_path)]
        assert texts == found

    def test_of_python_comments_and_strings_are_read_and_of_tests_docstrings(
        self, tmp_path: Path, write: Write
    ) -> None:
        source = '"""See one~."""\nx = "two~"  # three~\ny = 1  # 5.1, late\n'
        write("spirl_cli/a.py", source)
        write("tests/test_a.py", source)
        found = [str(place).replace(".md", "~") for place in counts.dangling_references(tmp_path)]
        assert found == [
            "spirl_cli/a.py:1: one~",
            "spirl_cli/a.py:2: two~",
            "spirl_cli/a.py:2: three~",
            "spirl_cli/a.py:3: # 5.1",
            "tests/test_a.py:1: one~",
            "tests/test_a.py:2: three~",
            "tests/test_a.py:3: # 5.1",
        ]


def test_the_command_prints_every_figure(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    measurements = house.measure(house.ROOT)
    monkeypatch.setattr(house, "measure", lambda root: measurements)
    code = house.main(["--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == (0 if report["passed"] else 1)
    names = [measurement["name"] for measurement in report["figures"]]
    assert len(names) == 9 and "lines of the longest function" in names and "dangling references" in names
    assert house.main([]) == code
    table = capsys.readouterr().out
    assert all(name in table for name in names)
