"""Reader of the latency tables that others published, in YAML, JSON and CSV.

Every error names the line and the value.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from spaces.errors import InvalidFile
from spaces.files import read_text, text_suffix
from spaces.formats.json_text import bounded_int
from tables.errors import InvalidTable
from tables.importing.csv_header import HEADERLESS, Column, is_header, parse_header, parse_row
from tables.importing.hw_nas_bench import read_operators
from tables.importing.primitives import rows_of_primitives
from tables.importing.row import Row, to_number
from tables.medians import NORMAL_IQR

_FIELDS = ("mean", "std", "var", "count")


def read_rows(path: str | Path, column: str | None = None) -> dict[str, Row]:
    """Read the rows of a table, by key.

    Args:
        path: A `.yaml`, `.yml` or `.json` file maps keys to {mean, and optionally count, and var or
            std} in milliseconds. A `.csv` file without a header has the columns key, latency_ms,
            and optionally the inter-quartile range and the number of samples; a header may name
            them in another order and unit. Each may be compressed, as `.csv.gz`. A YAML list is
            one of aw_nas's profiled primitives, and a `.pickle` file HW-NAS-Bench's.
        column: Column of the device in HW-NAS-Bench's file; None for other files.

    Raises:
        InvalidTable: The file is empty or of another kind, or a line is broken; line and value are
            named.
    """
    suffix = text_suffix(path)
    if suffix == ".pickle":
        return read_operators(path, column)
    if column is not None:
        raise InvalidTable(f"{path}: --column is for HW-NAS-Bench's .pickle alone; leave it out")
    if suffix not in _READERS:
        raise InvalidTable(
            f"{path}: tables are imported from .yaml, .yml, .json, .csv and .pickle, not from"
            f" {suffix or 'such a file'}"
        )

    try:
        text = read_text(path)
    except InvalidFile as error:
        raise InvalidTable(str(error)) from error

    rows: dict[str, Row] = {}
    # Two rows of one key are a mistake within a file; only different files are pooled.
    for line, row in _READERS[suffix](text, path):
        if row.key in rows:
            raise InvalidTable(f"{path}, line {line}: {row.key!r} occurs a second time")
        rows[row.key] = row

    if not rows:
        raise InvalidTable(f"{path}: the table is empty")

    return rows


def _csv(text: str, path: str | Path) -> Iterator[tuple[int, Row]]:
    columns: tuple[Column, ...] = HEADERLESS
    is_first = True
    reader = csv.reader(text.splitlines())
    try:
        for line, cells in enumerate(reader, start=1):
            if not cells:
                continue

            position = f"{path}, line {line}"
            if is_first and is_header(cells):
                columns = parse_header(cells, position)
            else:
                yield line, parse_row(cells, columns, position)

            is_first = False
    except csv.Error as error:
        raise InvalidTable(f"{path}, line {reader.line_num}: not CSV: {error}") from error


def _yaml(text: str, path: str | Path) -> Iterator[tuple[int, Row]]:
    import yaml

    # Nodes in place of yaml.safe_load, because they have the line of every key.
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return
        if isinstance(root, yaml.SequenceNode):
            networks = loader.construct_object(root, deep=True)
            for row in rows_of_primitives(networks, path):
                # A row is the mean over places all over the file.
                yield 1, row
            return
        if not isinstance(root, yaml.MappingNode):
            raise _no_mapping(path)

        for key_node, value_node in root.value:
            position = f"{path}, line {key_node.start_mark.line + 1}"
            try:
                key = str(loader.construct_object(key_node))
                value = loader.construct_object(value_node, deep=True)
            # Integers of thousands of digits, and dates that do not exist.
            except ValueError as error:
                raise InvalidTable(f"{position}: {error}") from error

            yield key_node.start_mark.line + 1, _mapping_row(key, value, position)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line_text = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or error
        raise InvalidTable(f"{path}{line_text}: not YAML: {problem}") from error
    except RecursionError as error:
        raise InvalidTable(f"{path}: not YAML that can be read: it is nested too deeply") from error
    finally:
        loader.dispose()


def _json(text: str, path: str | Path) -> Iterator[tuple[int, Row]]:
    try:
        # Pairs, because a dictionary would hide a key that occurs a second time.
        root = json.loads(text, object_pairs_hook=_Pairs, parse_int=bounded_int)
    except (ValueError, RecursionError) as error:
        raise InvalidTable(f"{path}: not JSON: {error}") from error

    if not isinstance(root, _Pairs):
        raise _no_mapping(path)
    if dict(root).get("format") == "pathfit-lookup-table":
        raise InvalidTable(
            f"{path}: this is a lookup table already: use it by --table {path}, without an import"
        )

    position = -1
    for key, value in root:
        # Unlike YAML's nodes JSON has no lines: this is the line of the key's next occurrence.
        position = max(position, text.find(json.dumps(key), position + 1))
        line = text.count("\n", 0, max(position, 0)) + 1
        plain = dict(value) if isinstance(value, _Pairs) else value
        yield line, _mapping_row(key, plain, f"{path}, line {line}")


class _Pairs(list[tuple[str, object]]):
    """The pairs of a JSON object in the order of the file."""


_READERS = {".csv": _csv, ".yaml": _yaml, ".yml": _yaml, ".json": _json}


def _no_mapping(path: str | Path) -> InvalidTable:
    return InvalidTable(
        f"{path}: a table maps keys to {{mean, count, var or std}}; this is no mapping"
    )


def _mapping_row(key: str, value: object, position: str) -> Row:
    """Return the row of a YAML or JSON value, which is a latency or an object with one."""
    if not isinstance(value, Mapping):
        return Row(key, to_number(value, position, key))
    if "mean" not in value:
        raise InvalidTable(
            f"{position}: {key} has no 'mean'; it has {', '.join(map(str, value)) or 'nothing'}"
        )

    unknown = [name for name in value if name not in _FIELDS]
    # An unread field may change the meaning of the others, as a unit does.
    if unknown:
        raise InvalidTable(
            f"{position}: {key} has the unknown field {str(unknown[0])!r:.60}; available:"
            f" {', '.join(_FIELDS)}, in ms"
        )

    deviation = None
    if "std" in value:
        deviation = to_number(value["std"], position, f"{key}: std")
    elif "var" in value:
        deviation = math.sqrt(to_number(value["var"], position, f"{key}: var"))

    iqr_ms = None if deviation is None else NORMAL_IQR * deviation
    samples = (
        int(to_number(value["count"], position, f"{key}: count")) if "count" in value else None
    )

    return Row(key, to_number(value["mean"], position, f"{key}: mean"), iqr_ms, samples)
