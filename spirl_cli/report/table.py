"""Tables of a report, which sort by a press on the head of a column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def cell(text: str) -> str:
    """Write a cell of text."""
    return f"<td>{escape(text)}</td>"


def number(value: float) -> str:
    """Write a cell with a number, which sorts by its exact value."""
    shown = f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"
    return f'<td class="number" data-value="{value!r}">{shown}</td>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table from the texts of its head and from finished cells."""
    heads = "".join(f"<th><button>{escape(head)}</button></th>" for head in header)
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    whole = f"<table><thead><tr>{heads}</tr></thead><tbody>\n{body}\n</tbody></table>"
    return f'<div class="scroll">{whole}</div>'
