"""The artifacts behind evaluations as a picture: a column per stage, each artifact once, with its fingerprint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from spirl_cli.payload import STAGE_NAMES
from spirl_cli.store.artifact import Artifact
from spirl_cli.store.lineage import Ancestor, ancestors

_BOX, _HIGH, _GAP, _ROW = 150, 34, 34, 44
_DATASET = "dataset"


@dataclass(frozen=True)
class Node:
    """An artifact or a dataset: its column, what it is called, its fingerprint and what the pointer shows."""

    column: str
    name: str
    fingerprint: str
    more: str = ""


def pipeline(evaluations: Sequence[Artifact], known: Sequence[Artifact]) -> str:
    """Draw what evaluations were made from.

    Args:
        evaluations: the last artifacts.
        known: the artifacts of the store.
    """
    nodes: dict[tuple[str, str], Node] = {}
    edges: set[tuple[tuple[str, str], tuple[str, str]]] = set()
    for evaluation in evaluations:
        own = _own(evaluation)
        nodes[own.column, own.fingerprint] = own
        for ancestor in ancestors(evaluation, known):
            _add(ancestor, (own.column, own.fingerprint), nodes, edges)
    return _draw(nodes, edges)


def _add(
    ancestor: Ancestor,
    user: tuple[str, str],
    nodes: dict[tuple[str, str], Node],
    edges: set[tuple[tuple[str, str], tuple[str, str]]],
) -> None:
    column = _DATASET if ancestor.status == "dataset" else ancestor.name
    key = (column, ancestor.record.fingerprint)
    if ancestor.artifact is None:
        nodes.setdefault(key, Node(column, ancestor.record.reference, ancestor.record.fingerprint, ancestor.status))
    else:
        nodes[key] = _own(ancestor.artifact)
    edges.add((key, user))
    for other in ancestor.inputs:
        _add(other, key, nodes, edges)


def _own(artifact: Artifact) -> Node:
    manifest = artifact.manifest
    more = f"seed {manifest.seed}, {manifest.seconds:,.0f} s, {manifest.finished[:19]}"
    return Node(manifest.stage, artifact.reference, artifact.fingerprint, more)


def _draw(nodes: dict[tuple[str, str], Node], edges: set[tuple[tuple[str, str], tuple[str, str]]]) -> str:
    columns = [name for name in (_DATASET, *STAGE_NAMES) if any(column == name for column, _ in nodes)]
    places: dict[tuple[str, str], tuple[float, float]] = {}
    tall = max(sum(column == name for column, _ in nodes) for name in columns)
    for index, name in enumerate(columns):
        own = [key for key in nodes if key[0] == name]
        for row, key in enumerate(own):
            places[key] = index * (_BOX + _GAP), (row + (tall - len(own)) / 2) * _ROW
    width, height = len(columns) * (_BOX + _GAP) - _GAP, tall * _ROW
    lines = [_edge(places[source], places[target]) for source, target in sorted(edges)]
    boxes = [_box(node, *places[key]) for key, node in nodes.items()]
    head = f'<svg class="pipeline" viewBox="-1 -1 {width + 2} {height + 2}" role="img" aria-label="pipeline">'
    return "\n".join([head, *lines, *boxes, "</svg>"])


def _edge(source: tuple[float, float], target: tuple[float, float]) -> str:
    x1, y1, x2, y2 = source[0] + _BOX, source[1] + _HIGH / 2, target[0], target[1] + _HIGH / 2
    middle = (x1 + x2) / 2
    return f'<path class="edge" d="M{x1:g} {y1:g}C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}"/>'


def _box(node: Node, x: float, y: float) -> str:
    name = node.name if len(node.name) <= 24 else f"…{node.name[-23:]}"
    title = f"<title>{escape(node.name)}\n{escape(node.fingerprint)}\n{escape(node.more)}</title>"
    return (
        f'<g class="node">{title}<rect x="{x:g}" y="{y:g}" width="{_BOX}" height="{_HIGH}" rx="5"/>'
        f'<text class="axis" x="{x + 8:g}" y="{y + 14:g}">{escape(name)}</text>'
        f'<text class="tick" x="{x + 8:g}" y="{y + 28:g}">{escape(node.fingerprint)}</text></g>'
    )
