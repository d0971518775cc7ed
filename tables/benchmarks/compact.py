"""The compact file of a benchmark: arrays of numpy in one .npz with a JSON header, no pickle."""

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

FORMAT = "pathfit-benchmark"
VERSION = 1


def write(
    path: str | Path, name: str, records: Records, source: dict[str, Any], command: str
) -> None:
    """Write a benchmark, all or nothing.

    Args:
        path: The file to write; it ends in .npz.
        name: Name of the benchmark.
        records: Its architectures and values.
        source: Name and SHA-256 of the file that they were read from.
        command: The command that makes the file.
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

    values = np.array(list(records.columns.values()), dtype=np.float64)
    arrays: dict[str, NDArray[Any]] = {
        "header": np.frombuffer(json.dumps(header, indent=1).encode(), dtype=np.uint8),
        "codes": np.ascontiguousarray(records.codes, dtype=np.int16),
        "values": values.reshape(len(records.columns), -1),
    }

    if records.hashes is not None:
        arrays["hashes"] = records.hashes

    # Without pickle, which an array of objects would need, and which no reader here accepts.
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read(path: str | Path, name: str) -> Records:
    """Read a file that `write` wrote.

    Args:
        path: The file.
        name: Name of the benchmark that it must be of.

    Raises:
        InvalidBenchmark: The file is broken, or of another benchmark or version.
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
        fault = f"the key {error} is missing" if isinstance(error, KeyError) else error
        raise InvalidBenchmark(f"{path}: not a compact file of a benchmark: {fault}") from error


def _records(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Records:
    codes = get(header["space"]).check(arrays["codes"])

    columns: list[Column] = [(column["metric"], column["epochs"]) for column in header["columns"]]
    values = arrays["values"]
    # A header of other columns would give values to the wrong metrics without an error.
    if values.shape != (len(columns), len(codes)) or values.dtype != np.float64:
        raise ValueError(
            f"{len(columns)} columns of {len(codes)} rows, but values of the shape"
            f" {list(values.shape)}"
        )

    # Only NAS-Bench-101 has hashes.
    hashes = arrays.get("hashes")
    if hashes is not None and (hashes.shape != (len(codes),) or hashes.dtype.kind != "S"):
        raise ValueError("the hashes do not fit the rows")

    return Records(header["space"], codes, dict(zip(columns, values, strict=True)), hashes)
