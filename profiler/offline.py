"""Tables of devices that Pathfit does not run on: networks to measure, and their latencies back.

The networks of `plan_networks` are measured in any way; `collected_table` solves the costs of
blocks from their latencies, as a build does for runtimes that fuse blocks.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler.building.networks import covering_networks, latin_networks
from spaces.architecture import Architecture
from spaces.files import read_text
from spaces.space import Codes, SearchSpace
from tables.cost.solving import Solution, solve
from tables.errors import InvalidTable
from tables.lookup_table import BlockCost, LookupTable

LEAST_NETWORKS = 10
"""Fewest networks whose latencies a table is solved from."""

COLUMNS = ("network", "latency_ms")
"""Columns of a file of latencies; `network` is the number of a line of the plan, from 0."""

_FOLDS = 5


def plan_networks(space: SearchSpace, count: int, seed: int = 0) -> Codes:
    """Return different networks to measure, codes [n, choices].

    All candidates of a choice occur about equally often, and all blocks of the space occur as far
    as few networks have them; the others are random.

    Args:
        space: Space of the networks.
        count: Number of networks; more are returned where the blocks need more.
        seed: Seed of the networks.
    """
    rng = np.random.default_rng(seed)
    codes = latin_networks(space, rng)
    keys, counts = space.block_counts(codes)
    missing = {key for key, total in zip(keys, counts.sum(0), strict=True) if not total}
    codes = np.concatenate([codes, covering_networks(space, missing, rng)])
    required = len(np.unique(codes, axis=0))

    # Twice as many, since a sample of a small space has duplicates.
    codes = np.concatenate([codes, space.sample(rng, 2 * count)])
    _, first = np.unique(codes, axis=0, return_index=True)
    return np.asfortranarray(codes[np.sort(first)[: max(count, required)]])


def read_latencies(path: str | Path, count: int) -> dict[int, float]:
    """Return the median latency of each measured network, by its number in the plan.

    Args:
        path: CSV file with the columns `COLUMNS`; a network may have several rows.
        count: Number of networks of the plan.

    Raises:
        InvalidTable: A column is missing, or a line has another network or no positive latency.
    """
    reader = csv.DictReader(StringIO(read_text(path)))
    if reader.fieldnames is None or not {*COLUMNS} <= {*reader.fieldnames}:
        raise InvalidTable(f"{path} needs a header with {','.join(COLUMNS)}")

    latencies: dict[int, list[float]] = {}
    for row in reader:
        position = f"{path}, line {reader.line_num}"
        network = _number(row["network"])
        if network is None or network not in range(count):
            raise InvalidTable(
                f"{position}: network is {row['network']!r:.60}, not one of 0 ... {count - 1}"
            )
        latency = _number(row["latency_ms"])
        if latency is None or not 0 < latency < np.inf:
            raise InvalidTable(
                f"{position}: latency_ms is {row['latency_ms']!r:.60}, which is not above 0"
            )
        latencies.setdefault(int(network), []).append(latency)
    return {number: float(np.median(values)) for number, values in sorted(latencies.items())}


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def collected_table(
    space: SearchSpace,
    architectures: Sequence[Architecture],
    latencies: Mapping[int, float],
    *,
    name: str,
    processor: str,
    conditions: Mapping[str, Any],
    command: str,
    seed: int = 0,
) -> LookupTable:
    """Make the lookup table of a device from the latencies of whole networks.

    Its sigma is the deviation of networks from the sums of blocks that were solved from others.

    Args:
        space: Space of the networks.
        architectures: Planned networks.
        latencies: Number of a planned network -> its latency in milliseconds.
        name: Name of the table.
        processor: Name of the device.
        conditions: Backend, batch, precision and threads of the measurement.
        command: Command that the table records.
        seed: Seed of the folds by which sigma is estimated.

    Raises:
        InvalidTable: Fewer than `LEAST_NETWORKS` networks were measured.
    """
    from spaces import __version__

    if len(latencies) < LEAST_NETWORKS:
        raise InvalidTable(
            f"a table is solved from at least {LEAST_NETWORKS} measured networks, not from"
            f" {len(latencies)}"
        )

    codes = space.encode([architectures[number] for number in latencies])
    values = np.array(list(latencies.values()))
    solution = solve(space, codes, values)
    blocks = {
        key: BlockCost(
            round(solution.costs[key], 6),
            None,
            solution.occurrences[key],
            block.macs,
            block.params,
        )
        for key, block in sorted(space.all_blocks.items())
    }
    return LookupTable(
        name=name,
        space=space.name,
        device={"kind": "other", "processor": processor},
        conditions=dict(conditions),
        versions={"pathfit": __version__},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        seed=seed,
        measurement=None,
        blocks=blocks,
        networks=(),
        sigma_ms=round(_deviation(space, codes, values, seed), 6),
    )


def _deviation(space: SearchSpace, codes: Codes, values: NDArray[np.float64], seed: int) -> float:
    """Return the root mean square of cross-validated residuals."""
    folds = np.random.default_rng(seed).permutation(len(values)) % _FOLDS
    residuals = np.empty(len(values))
    for fold in range(_FOLDS):
        test = folds == fold
        solution = solve(space, np.asfortranarray(codes[~test]), values[~test])
        residuals[test] = values[test] - _sums(space, np.asfortranarray(codes[test]), solution)
    return float(np.sqrt(np.mean(residuals**2)))


def _sums(space: SearchSpace, codes: Codes, solution: Solution) -> NDArray[np.float64]:
    keys, counts = space.block_counts(codes)
    sums: NDArray[np.float64] = counts @ np.array([solution.costs[key] for key in keys])
    return sums
