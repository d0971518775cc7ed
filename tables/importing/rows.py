"""Reading the latency tables that others published: YAML and CSV, every fault named by its line and
value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spaces.files import read_text
from tables.errors import InvalidTable

NORMAL_IQR = 1.349
"""Inter-quartile range of a normal distribution over its standard deviation."""


@dataclass(frozen=True)
class Row:
    """One row of a published table.

    Args:
        key: as it stands there.
        latency_ms: mean or median, as the source gives it.
        iqr_ms: inter-quartile range, from the variance or the deviation as of normal times; None
            where none is given.
        samples: how many were measured; None likewise.
    """

    key: str
    latency_ms: float
    iqr_ms: float | None = None
    samples: int | None = None


def read_rows(path: str | Path) -> dict[str, Row]:
    """The rows of a table, by key.

    Args:
        path: `.yaml` or `.yml`: key -> {mean, and count, var or std where known}; `.csv`: key,
            latency_ms, and an inter-quartile range and the number of samples where known, with a
            header or without.

    Raises:
        InvalidTable: the file's kind is unknown, it is empty, or a line is broken; line and value
            are named.
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
            raise InvalidTable(f"{path}, line {line}: {row.key!r} stands there a second time")
        rows[row.key] = row
    if not rows:
        raise InvalidTable(f"{path}: the table is empty")
    return rows


def _csv(text: str, path: str | Path) -> Iterator[tuple[int, Row]]:
    import csv

    for line, cells in enumerate(csv.reader(text.splitlines()), start=1):
        if not cells or (line == 1 and cells[0].strip().lower() in ("key", "block", "name")):
            continue
        where = f"{path}, line {line}"
        if not 2 <= len(cells) <= 4:
            raise InvalidTable(
                f"{where}: {','.join(cells)!r:.120} is not 'key,latency_ms[,iqr_ms[,samples]]'"
            )
        key, latency, *rest = (cell.strip() for cell in cells)
        spread = _number(rest[0], where, "iqr_ms") if rest and rest[0] else None
        samples = int(_number(rest[1], where, "samples")) if len(rest) > 1 and rest[1] else None
        yield line, Row(key, _number(latency, where, "latency_ms"), spread, samples)


def _yaml(text: str, path: str | Path) -> Iterator[tuple[int, Row]]:
    import yaml

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
            key, value = (
                loader.construct_object(key_node),
                loader.construct_object(value_node, deep=True),
            )
            yield line, _yaml_row(str(key), value, f"{path}, line {line}")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark is not None else ""
        raise InvalidTable(
            f"{path}{place}: not YAML: {getattr(error, 'problem', None) or error}"
        ) from error
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
    spread = None if deviation is None else NORMAL_IQR * deviation
    samples = int(_number(value["count"], where, f"{key}: count")) if "count" in value else None
    return Row(key, _number(value["mean"], where, f"{key}: mean"), spread, samples)


def _number(value: object, where: str, name: str) -> float:
    try:
        # YAML 1.1 takes `1e-05` for text, so text is read too.
        number = (
            float(value)
            if isinstance(value, str | int | float) and not isinstance(value, bool)
            else math.nan
        )
    except (ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise InvalidTable(f"{where}: {name} is {value!r:.60}, which is no number of at least 0")
    return number
