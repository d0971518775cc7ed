"""Comparison of two tables: conditions, blocks, and ranks of networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from spaces.errors import UnknownName
from spaces.registry import get
from tables.errors import MissingBlock
from tables.lookup_table import LookupTable
from tables.ranks import spearman

# Enough for a rank correlation to three digits.
_NETWORKS = 2000
_SEED = 0


@dataclass(frozen=True)
class Comparison:
    """The differences of two tables.

    Args:
        differing: Name of a differing property of device, conditions or versions -> (first,
            second).
        blocks: Block key -> latency of the second over the first, for the blocks of both.
        only_first: Blocks of the first alone.
        only_second: Blocks of the second alone.
        networks: Median latency of the second over the first over random networks. None where a
            table lacks a block of the space.
        spearman: Rank correlation over these networks. None likewise.
    """

    differing: dict[str, tuple[str, str]]
    blocks: dict[str, float]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    networks: float | None
    spearman: float | None


def compare(first: LookupTable, second: LookupTable) -> Comparison:
    """Compare two tables, over random networks of the first's space."""
    first_properties = _properties(first)
    second_properties = _properties(second)
    keys = list(dict.fromkeys([*first_properties, *second_properties]))
    pairs = {
        key: (str(first_properties.get(key, "-")), str(second_properties.get(key, "-")))
        for key in keys
    }
    ratio, correlation = _compare_networks(first, second)

    return Comparison(
        differing={key: pair for key, pair in pairs.items() if pair[0] != pair[1]},
        # A block that takes no time, such as the identity, has no ratio.
        blocks={
            key: second.blocks[key].latency_ms / cost.latency_ms
            for key, cost in first.blocks.items()
            if key in second.blocks and cost.latency_ms > 0
        },
        only_first=tuple(key for key in first.blocks if key not in second.blocks),
        only_second=tuple(key for key in second.blocks if key not in first.blocks),
        networks=ratio,
        spearman=correlation,
    )


def _properties(table: LookupTable) -> dict[str, object]:
    return {
        "space": table.space,
        "created": table.created,
        **table.device,
        **table.conditions,
        **table.versions,
    }


def _compare_networks(first: LookupTable, second: LookupTable) -> tuple[float | None, float | None]:
    """Return the median ratio and the rank correlation of random networks' latencies."""
    try:
        space = get(first.space)
        models = [table.cost_model(space) for table in (first, second)]
    # A plug-in's space may be missing, and the second table may be of another space.
    except (MissingBlock, UnknownName):
        return None, None

    # The same networks in every comparison, so that the numbers of several ones compare.
    codes = space.sample(np.random.default_rng(_SEED), _NETWORKS)
    first_ms, second_ms = (model.estimate(codes) for model in models)
    return float(np.median(second_ms / first_ms)), spearman(first_ms, second_ms, constant=0.0)


def print_comparison(comparison: Comparison, names: tuple[str, str]) -> None:
    """Print the differences, the blocks with the most unusual ratios, and the ranks of networks.

    Args:
        comparison: The comparison.
        names: Names of the two tables.
    """
    console = Console()
    if comparison.differing:
        rows = Table("", *names)
        for key, pair in comparison.differing.items():
            rows.add_row(key, *pair)
        console.print(rows)

    if comparison.blocks:
        _print_blocks(console, comparison.blocks, names)
    for name, keys in zip(names, (comparison.only_first, comparison.only_second), strict=True):
        if keys:
            console.print(f"{len(keys)} blocks in {name} alone, such as '{keys[0]}'")

    if comparison.networks is not None and comparison.spearman is not None:
        console.print(
            f"over {_NETWORKS} random networks: {names[1]} / {names[0]} is"
            f" {comparison.networks:.3g}, rank correlation {comparison.spearman:.3f}"
        )


def _print_blocks(console: Console, blocks: dict[str, float], names: tuple[str, str]) -> None:
    middle = float(np.median(list(blocks.values())))
    console.print(
        f"{len(blocks)} blocks in both; {names[1]} takes {middle:.3g} times as long (median)"
    )

    def distance(item: tuple[str, float]) -> float:
        # On a logarithmic scale half and twice the median are equally far from it.
        _, ratio = item
        return abs(float(np.log(max(ratio, 1e-9) / middle)))

    rows = Table("block, farthest from the median", f"{names[1]} / {names[0]}")
    for key, ratio in sorted(blocks.items(), key=lambda item: -distance(item))[:10]:
        rows.add_row(key, f"{ratio:.3f}")
    console.print(rows)
