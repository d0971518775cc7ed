"""Import of latency tables that others published as lookup tables."""

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
from tables.importing.row import Row
from tables.importing.rows import read_rows
from tables.importing.speed_file import is_speed_file, rows_of_speed_file
from tables.lookup_table import BlockCost, LookupTable


@dataclass(frozen=True)
class Imported:
    """A lookup table that was imported from published files.

    Args:
        table: The lookup table.
        source: Notation of the files' keys; see `tables.importing.keys.WRITERS`.
        unused: Keys of rows that belong to no block of the space.
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
    sigma_ms: float | None = None,
    column: str | None = None,
) -> Imported:
    """Import the lookup table of a space from published rows.

    Args:
        files: YAML, JSON, CSV or speed files (.txt). Rows of one key in several files are pooled,
            weighted by their numbers of samples.
        space: Space whose blocks are looked up.
        name: Name of the table.
        processor: The device that was measured.
        conditions: Backend, batch, precision and threads of the measurement, which the files do not
            record.
        command: The command that makes the table, which the table records.
        sigma_ms: Standard deviation of a network's latency from the sum of its blocks. None: it is
            unknown, and limits on the table keep no margin.
        column: Column of the device in a file of several, HW-NAS-Bench's; None for other files.

    Raises:
        InvalidTable: A file is broken; line and value are named.
        MissingRow: A block of the space has no row; its key in the files is named.
    """
    from spaces import __version__

    rows = _pool_tables([_rows(path, space, column) for path in files])

    blocks = list(space.all_blocks.values())
    source = _notation(blocks, rows)
    keys = {block: WRITERS[source](block) for block in blocks}

    missing = [key for key in keys.values() if key not in rows]
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
        blocks={block.key: _cost(block, rows[key]) for block, key in keys.items()},
        networks=(),
        sigma_ms=sigma_ms,
    )

    # Rows without a block are usual: a table may serve several spaces.
    return Imported(table, source, tuple(sorted(set(rows) - set(keys.values()))))


def _rows(path: str | Path, space: SearchSpace, column: str | None) -> dict[str, Row]:
    if is_speed_file(path):
        return rows_of_speed_file(path, space)
    return dict(read_rows(path, column))


def _cost(block: Block, row: Row) -> BlockCost:
    return BlockCost(row.latency_ms, row.iqr_ms, row.samples, block.macs, block.params)


def _notation(blocks: Sequence[Block], rows: Mapping[str, Row]) -> str:
    """Return the notation in which most of the blocks have a row."""
    matches: dict[str, int] = {}
    for source, writer in WRITERS.items():
        try:
            matches[source] = sum(writer(block) in rows for block in blocks)
        # A notation without a name for some block cannot be that of the files.
        except UnnamedBlock:
            continue

    best = max(matches, key=lambda source: matches[source])
    if not matches[best]:
        first = next(iter(rows))
        raise InvalidTable(
            f"no row is of a block of the space: the first row is {first!r}, a block of the space"
            f" {blocks[0].key!r}"
        )
    return best


def _pool_tables(tables: Sequence[Mapping[str, Row]]) -> dict[str, Row]:
    pooled: dict[str, list[Row]] = {}
    for rows in tables:
        for key, row in rows.items():
            pooled.setdefault(key, []).append(row)

    return {key: rows[0] if len(rows) == 1 else _pool_rows(rows) for key, rows in pooled.items()}


def _pool_rows(rows: Sequence[Row]) -> Row:
    # Without all numbers of samples no weights are known, and every file counts once.
    counted = all(row.samples is not None for row in rows)
    weights = [row.samples or 1 for row in rows] if counted else [1] * len(rows)

    weighted = sum(weight * row.latency_ms for weight, row in zip(weights, rows, strict=True))
    mean = weighted / sum(weights)

    # The widest range: means of different files may differ by more than one file's range.
    ranges = [row.iqr_ms for row in rows if row.iqr_ms is not None]
    iqr_ms = max(ranges) if len(ranges) == len(rows) else None
    return Row(rows[0].key, mean, iqr_ms, sum(weights) if counted else None)
