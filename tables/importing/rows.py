"""Reader of the latency tables that others published, in YAML and CSV.

Every error names the line and the value.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spaces.files import read_text
from tables.errors import InvalidTable

NORMAL_IQR = 1.349
"""Inter-quartile range of a normal distribution in standard deviations."""


@dataclass(frozen=True)
class Row:
    """One row of a published table.

    Args:
        key: Key in the file's notation.
        latency_ms: Mean or median latency, as the source has it.
        iqr_ms: Inter-quartile range. From a variance or a deviation it is computed as of normally
            distributed latencies; None where the source has neither.
        samples: Number of measured latencies. None where the source has none.
    """

    key: str
    latency_ms: float
    iqr_ms: float | None = None
    samples: int | None = None


def read_rows(path: str | Path) -> dict[str, Row]:
    """Read the rows of a table, by key.

    Args:
        path: A `.yaml` or `.yml` file maps keys to {mean, and optionally count, and var or std}. A
            `.csv` file has the columns key, latency_ms, and optionally the inter-quartile range and
            the number of samples, with or without a header.

    Raises:
        InvalidTable: The file is empty or of another kind, or a line is broken; line and value are
            named.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".yaml", ".yml", ".csv"):
        raise InvalidTable(
            f"{path}: tables are imported from .yaml, .yml and .csv, not from"
            f" {suffix or 'such a file'}"
        )
    text = read_text(path)
    rows: dict[str, Row] = {}
    for line, row in _csv(text, path) if suffix == ".csv" else _yaml(text, path):
        if row.key in rows:
            raise InvalidTable(f"{path}, line {line}: {row.key!r} occurs a second time")
        rows[row.key] = row
    if not rows:
        raise InvalidTable(f"{path}: the table is empty")
    return rows


def _csv(text: str, path: str | Path) -> Iterator[tuple[int, Row]]:
    import csv

    for line, cells in enumerate(csv.reader(text.splitlines()), start=1):
        is_header = bool(cells) and cells[0].strip().lower() in ("key", "block", "name")
        if not cells or (line == 1 and is_header):
            continue
        where = f"{path}, line {line}"
        if not 2 <= len(cells) <= 4:
            raise InvalidTable(
                f"{where}: {','.join(cells)!r:.120} is not 'key,latency_ms[,iqr_ms[,samples]]'"
            )

        # Absent cells are read as empty ones.
        key, latency, iqr, count = [*(cell.strip() for cell in cells), "", ""][:4]
        iqr_ms = _number(iqr, where, "iqr_ms") if iqr else None
        samples = int(_number(count, where, "samples")) if count else None
        yield line, Row(key, _number(latency, where, "latency_ms"), iqr_ms, samples)


def _yaml(text: str, path: str | Path) -> Iterator[tuple[int, Row]]:
    import yaml

    # Nodes in place of yaml.safe_load, because they have the line of every key.
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return
        if not isinstance(root, yaml.MappingNode):
            raise InvalidTable(
                f"{path}: a table maps keys to {{mean, count, var or std}}; this is no mapping"
            )
        for key_node, value_node in root.value:
            line = key_node.start_mark.line + 1
            key = loader.construct_object(key_node)
            value = loader.construct_object(value_node, deep=True)
            yield line, _yaml_row(str(key), value, f"{path}, line {line}")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line_text = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or error
        raise InvalidTable(f"{path}{line_text}: not YAML: {problem}") from error
    except RecursionError as error:
        raise InvalidTable(f"{path}: not YAML that can be read: it is nested too deeply") from error
    finally:
        loader.dispose()


def _yaml_row(key: str, value: object, where: str) -> Row:
    if not isinstance(value, dict):
        return Row(key, _number(value, where, key))
    if "mean" not in value:
        raise InvalidTable(
            f"{where}: {key} has no 'mean'; it has {', '.join(map(str, value)) or 'nothing'}"
        )

    deviation = None
    if "std" in value:
        deviation = _number(value["std"], where, f"{key}: std")
    elif "var" in value:
        deviation = math.sqrt(_number(value["var"], where, f"{key}: var"))
    iqr_ms = None if deviation is None else NORMAL_IQR * deviation
    samples = int(_number(value["count"], where, f"{key}: count")) if "count" in value else None
    return Row(key, _number(value["mean"], where, f"{key}: mean"), iqr_ms, samples)


def _number(value: object, where: str, name: str) -> float:
    number = math.nan
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        # YAML 1.1 takes `1e-05` for text, so that texts are converted too.
        with contextlib.suppress(ValueError, OverflowError):
            number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise InvalidTable(f"{where}: {name} is {value!r:.60}, which is no number of at least 0")
    return number
