"""From the latency tables that others published to lookup tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spaces.block import Block
from spaces.space import SearchSpace
from tables.errors import InvalidTable, MissingRow, UnnamedBlock
from tables.importing.keys import WRITERS
from tables.importing.rows import Row, read_rows
from tables.lookup_table import BlockCost, LookupTable


@dataclass(frozen=True)
class Imported:
    """A lookup table that was read from others' files.

    Args:
        table: the lookup table.
        source: the way that its keys were written in; see `tables.importing.keys.WRITERS`.
        unused: keys of rows that the space has no block for.
    """

    table: LookupTable
    source: str
    unused: tuple[str, ...]


def import_table(
    files: Sequence[str | Path],
    space: SearchSpace,
    *,
    name: str,
    processor: str,
    conditions: Mapping[str, Any],
    command: str,
) -> Imported:
    """A lookup table of a space from published rows.

    Args:
        files: YAML or CSV; rows of one key in several files are pooled, weighted by their numbers
            of samples.
        space: whose blocks are looked for.
        name: of the table.
        processor: the device that was measured.
        conditions: backend, batch, precision, threads of the measurement; files do not tell them.
        command: what makes the table.

    Raises:
        InvalidTable: a file is broken; line and value are named.
        MissingRow: a block of the space has no row; its key in the file is named.
    """
    from spaces import __version__

    rows = _pooled([read_rows(path) for path in files])
    blocks = list(space.all_blocks.values())
    source = _source(blocks, rows)
    named = {block: WRITERS[source](block) for block in blocks}
    missing = [key for key in named.values() if key not in rows]
    if missing:
        raise MissingRow(", ".join(map(str, files)), space.name, missing)
    table = LookupTable(
        name=name,
        space=space.name,
        device={"kind": "other", "processor": processor},
        conditions=dict(conditions),
        versions={"pathfit": __version__},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        seed=0,
        measurement=None,
        blocks={block.key: _cost(block, rows[key]) for block, key in named.items()},
        networks=(),
    )
    return Imported(table, source, tuple(sorted(set(rows) - set(named.values()))))


def _cost(block: Block, row: Row) -> BlockCost:
    return BlockCost(row.latency_ms, row.iqr_ms, row.samples, block.macs, block.params)


def _source(blocks: Sequence[Block], rows: Mapping[str, Row]) -> str:
    """The way of writing keys that names most of the blocks."""
    found: dict[str, int] = {}
    for source, writer in WRITERS.items():
        try:
            found[source] = sum(writer(block) in rows for block in blocks)
        except UnnamedBlock:
            continue
    best = max(found, key=lambda source: found[source])
    if not found[best]:
        first = next(iter(rows))
        raise InvalidTable(
            f"no row is of a block of the space: the first row is {first!r}, a block of the space"
            f" {blocks[0].key!r}"
        )
    return best


def _pooled(tables: Sequence[Mapping[str, Row]]) -> dict[str, Row]:
    pooled: dict[str, list[Row]] = {}
    for rows in tables:
        for key, row in rows.items():
            pooled.setdefault(key, []).append(row)
    return {key: rows[0] if len(rows) == 1 else _pool(rows) for key, rows in pooled.items()}


def _pool(rows: Sequence[Row]) -> Row:
    counted = all(row.samples is not None for row in rows)
    weights = [row.samples or 1 for row in rows] if counted else [1] * len(rows)
    mean = sum(weight * row.latency_ms for weight, row in zip(weights, rows, strict=True)) / sum(
        weights
    )
    known = [row.iqr_ms for row in rows if row.iqr_ms is not None]
    samples = sum(weights) if counted else None
    return Row(rows[0].key, mean, max(known) if len(known) == len(rows) else None, samples)
