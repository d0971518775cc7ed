"""The compact file of a benchmark: arrays of numpy in one .npz, with a JSON header; no pickle."""

from __future__ import annotations

import json
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import PathfitError
from spaces.files import replacing
from spaces.registry import get
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.records import Column, Records

FORMAT, VERSION = "pathfit-benchmark", 1


def write(
    path: str | Path, name: str, records: Records, source: dict[str, Any], command: str
) -> None:
    """Write a benchmark, all or nothing.

    Args:
        path: ends in .npz.
        name: of the benchmark.
        records: what was read.
        source: the file that it was read from: its name and SHA-256.
        command: what made it.
    """
    from spaces import __version__

    header = {
        "format": FORMAT,
        "version": VERSION,
        "pathfit": __version__,
        "benchmark": name,
        "space": records.space,
        "source": source,
        "command": command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "columns": [{"metric": metric, "epochs": epochs} for metric, epochs in records.columns],
    }
    values = np.array(list(records.columns.values()), dtype=np.float64).reshape(
        len(records.columns), -1
    )
    arrays: dict[str, NDArray[Any]] = {
        "header": np.frombuffer(json.dumps(header, indent=1).encode(), dtype=np.uint8),
        "codes": np.ascontiguousarray(records.codes, dtype=np.int16),
        "values": values,
    }
    if records.hashes is not None:
        arrays["hashes"] = records.hashes
    with replacing(path) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read(path: str | Path, name: str) -> Records:
    """The records of a file that `write` wrote for the benchmark `name`.

    Raises:
        InvalidBenchmark: it is none, or of another benchmark or a newer version.
    """
    try:
        # Opened here, because numpy leaves a file open that it cannot read.
        with open(path, "rb") as content, np.load(content, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        header = json.loads(arrays["header"].tobytes())
        if header["format"] != FORMAT or header["benchmark"] != name:
            raise ValueError(f"of {header['benchmark']}, not of {name}")
        if header["version"] != VERSION:
            raise ValueError(f"of version {header['version']!r}; this Pathfit reads {VERSION}")
        return _records(header, arrays)
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
        PathfitError,
    ) as error:
        fault = f"the part {error} is missing" if isinstance(error, KeyError) else error
        raise InvalidBenchmark(f"{path}: not a compact file of a benchmark: {fault}") from error


def _records(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Records:
    codes = get(header["space"]).check(arrays["codes"])
    columns: list[Column] = [(column["metric"], column["epochs"]) for column in header["columns"]]
    values, hashes = arrays["values"], arrays.get("hashes")
    if values.shape != (len(columns), len(codes)) or values.dtype != np.float64:
        raise ValueError(
            f"{len(columns)} columns of {len(codes)} rows, but values of the shape"
            f" {list(values.shape)}"
        )
    if hashes is not None and (hashes.shape != (len(codes),) or hashes.dtype.kind != "S"):
        raise ValueError("the hashes do not fit the rows")
    return Records(header["space"], codes, dict(zip(columns, values, strict=True)), hashes)
