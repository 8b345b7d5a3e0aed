"""Tables of results: conditions × environment steps, with intervals, as plain text, Markdown, LaTeX or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace

from spirl_cli.evaluation.results import ResultRow
from spirl_cli.evaluation.statistics import interval_text
from spirl_cli.payload import PRIOR
from spirl_cli.report.lines import Line

NOTHING = "-"
YARDSTICK_NAMES = {"no-prior": "skills without prior", "demonstrations": "demonstrations"}
_LATEX = {char: f"\\{char}" for char in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


@dataclass(frozen=True)
class Table:
    """Results of one metric and one policy.

    Attributes:
        title: metric, environment and policy.
        steps: environment steps, one column each.
        rows: name and result at each step; None where there is none.
        conditions: number of rows before those of what is compared with.
    """

    title: str
    steps: tuple[int, ...]
    rows: tuple[tuple[str, tuple[ResultRow | None, ...]], ...]
    conditions: int

    @property
    def header(self) -> tuple[str, ...]:
        """Names of the columns."""
        return ("environment steps", *(f"{step:,}" for step in self.steps))

    def cells(self, mark: Callable[[str], str]) -> Iterator[tuple[str, ...]]:
        """Yield the texts of each row.

        Args:
            mark: makes the largest mean of a column stand out.
        """
        columns = list(zip(*(results for _, results in self.rows), strict=True))
        best = [max((row.mean for row in column if row and _is_trained(row)), default=None) for column in columns]
        alone = [sum(row is not None and _is_trained(row) for row in column) < 2 for column in columns]
        for name, results in self.rows:
            texts = []
            for row, most, single in zip(results, best, alone, strict=True):
                wins = row is not None and not single and _is_trained(row) and row.mean == most
                texts.append(NOTHING if row is None else _cell(row, mark if wins else str))
            yield (name, *texts)


def tables(lines: Sequence[Line], metric: str | None = None, policy: str | None = None) -> list[Table]:
    """Return a table for each metric and policy.

    Args:
        lines: conditions.
        metric: None for all.
        policy: None for the sampled policy, where there is one.
    """
    kinds = dict.fromkeys((row.env, row.metric, row.policy) for line in lines for row in line.rows)
    sampled = {kind[:2] for kind in kinds if kind[2] == "sampled"}
    wanted = [
        kind
        for kind in kinds
        if metric in (None, kind[1])
        and (kind[2] == policy if policy else kind[2] == "sampled" or kind[:2] not in sampled)
    ]
    return [_table(lines, *kind) for kind in wanted]


def plain(table: Table, align: Callable[[Sequence[str], Sequence[Sequence[str]]], str]) -> str:
    """Write a table for a terminal; `align` puts the rows under the header."""
    return f"{table.title}\n" + align(table.header, list(table.cells(lambda text: f"*{text}")))


def markdown(table: Table) -> str:
    """Write a table in Markdown."""
    rows = markdown_lines(table.header, table.cells(lambda text: f"**{text}**"))
    return "\n".join([f"### {table.title}", "", *rows])


def markdown_lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write rows under a header as a table in Markdown, one string per line."""
    return [_markdown_line(header), "|---" * len(header) + "|", *map(_markdown_line, rows)]


def latex(table: Table) -> str:
    """Write a table for LaTeX with booktabs."""
    body = table.cells(lambda text: f"\\textbf{{{text}}}")
    rows = [" & ".join([_escaped(name), *texts]) + r" \\" for name, *texts in body]
    head = " & ".join(map(_escaped, table.header)) + r" \\"
    return "\n".join(
        [
            f"% {table.title}; needs \\usepackage{{booktabs}}",
            f"\\begin{{tabular}}{{l{'r' * len(table.steps)}}}",
            *(r"\toprule", head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}"),
        ]
    )


def rows_csv(rows: Sequence[ResultRow], names: Sequence[str] | None = None) -> str:
    """Write rows with all their fields as CSV, after a column with their names, if any."""
    stream = io.StringIO()
    columns = [field.name for field in fields(ResultRow)]
    writer = csv.DictWriter(stream, columns if names is None else ["name", *columns], lineterminator="\n")
    writer.writeheader()
    for index, row in enumerate(rows):
        writer.writerow({**({} if names is None else {"name": names[index]}), **asdict(row)})
    return stream.getvalue()


def named_rows(lines: Sequence[Line]) -> list[tuple[str, ResultRow]]:
    """Return all rows of some lines with the names of their lines, what they compare with included."""
    return [(line.name, row) for line in lines for row in (*line.rows, *line.yardsticks)]


def _table(lines: Sequence[Line], env: str, metric: str, policy: str) -> Table:
    own = [(line, _of(line.rows, env, metric, policy)) for line in lines]
    named = [(_named(line.name, found[0].method), found) for line, found in own if found]
    rows = named + _yardsticks(lines, env, metric)
    steps = tuple(sorted({row.env_steps for _, found in rows for row in found}))
    filled = tuple((name, _at(found, steps)) for name, found in rows)
    counted = next((row.success for _, found in rows for row in found if row.success), None)
    how = {"ever": " (at any step)", "last": " (at the last step)"}.get(counted or "", "")
    return Table(f"{metric}{how} in {env}, {policy} policy", steps, filled, len(named))


def _named(name: str, method: str) -> str:
    """Return the name of a condition, which says its method."""
    return name if method in name else f"{method}: {name}"


def _of(rows: Iterable[ResultRow], env: str, metric: str, policy: str) -> list[ResultRow]:
    return [row for row in rows if (row.env, row.metric, row.policy) == (env, metric, policy)]


def _yardsticks(lines: Sequence[Line], env: str, metric: str) -> list[tuple[str, list[ResultRow]]]:
    """Return what the conditions compare with; what several of them share stands there once."""
    found: dict[ResultRow, list[str]] = {}
    for line in lines:
        for row in line.yardsticks:
            if (row.env, row.metric) == (env, metric):
                found.setdefault(replace(row, commit=None, command=""), []).append(line.name)
    rows = []
    for row, names in found.items():
        name = YARDSTICK_NAMES.get(row.method, PRIOR)
        rows.append((name if len(names) == len(lines) else f"{name} of {', '.join(names)}", [row]))
    return rows


def _at(rows: Sequence[ResultRow], steps: Sequence[int]) -> tuple[ResultRow | None, ...]:
    known: dict[int, ResultRow] = {}
    for row in rows:
        known.setdefault(row.env_steps, row)  # the agent's come before those of baselines
    return tuple(known.get(step) for step in steps)


def _is_trained(row: ResultRow) -> bool:
    return row.env_steps > 0


def _cell(row: ResultRow, mark: Callable[[str], str]) -> str:
    return f"{mark(f'{row.mean:.2f}')} {interval_text(row)}"


def _markdown_line(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in text.replace("\\", "/"))
