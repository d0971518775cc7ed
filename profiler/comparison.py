"""Two tables side by side: conditions, blocks, and how they rank networks."""

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

_NETWORKS, _SEED = 2000, 0


@dataclass(frozen=True)
class Comparison:
    """Two tables.

    Args:
        differing: what differs -> (first, second), of device, conditions and versions.
        blocks: key -> second over first, for the blocks of both.
        only_first: blocks of the first alone.
        only_second: of the second alone.
        networks: median of second over first over random networks; None where a table lacks a block
            of the space.
        spearman: rank correlation over these; None likewise.
    """

    differing: dict[str, tuple[str, str]]
    blocks: dict[str, float]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    networks: float | None
    spearman: float | None


def compare(first: LookupTable, second: LookupTable) -> Comparison:
    """Hold two tables beside each other, over random networks of the first's space."""
    sides = [
        {
            "space": table.space,
            "created": table.created,
            **table.device,
            **table.conditions,
            **table.versions,
        }
        for table in (first, second)
    ]
    keys = list(dict.fromkeys([*sides[0], *sides[1]]))
    pairs = {key: (str(sides[0].get(key, "-")), str(sides[1].get(key, "-"))) for key in keys}
    shared = [
        key for key in first.blocks if key in second.blocks and first.blocks[key].latency_ms > 0
    ]
    ratio, correlation = _networks(first, second)
    return Comparison(
        differing={key: pair for key, pair in pairs.items() if pair[0] != pair[1]},
        blocks={
            key: second.blocks[key].latency_ms / first.blocks[key].latency_ms for key in shared
        },
        only_first=tuple(key for key in first.blocks if key not in second.blocks),
        only_second=tuple(key for key in second.blocks if key not in first.blocks),
        networks=ratio,
        spearman=correlation,
    )


def _networks(first: LookupTable, second: LookupTable) -> tuple[float | None, float | None]:
    try:
        space = get(first.space)
        models = [table.cost_model(space) for table in (first, second)]
    except (MissingBlock, UnknownName):
        return None, None
    codes = space.sample(np.random.default_rng(_SEED), _NETWORKS)
    one, other = (model.estimate(codes) for model in models)
    return float(np.median(other / one)), spearman(one, other, constant=0.0)


def print_comparison(found: Comparison, names: tuple[str, str]) -> None:
    """Print what differs, the blocks whose ratio is farthest from that of most, and how networks
    are ranked.
    """
    console = Console()
    if found.differing:
        rows = Table("", *names)
        for key, pair in found.differing.items():
            rows.add_row(key, *pair)
        console.print(rows)
    if found.blocks:
        middle = float(np.median(list(found.blocks.values())))
        console.print(
            f"{len(found.blocks)} blocks in both; {names[1]} takes {middle:.3g} times as long"
            " (median)"
        )
        far = sorted(
            found.blocks.items(), key=lambda item: -abs(np.log(max(item[1], 1e-9) / middle))
        )[:10]
        blocks = Table("block, farthest from the median", f"{names[1]} / {names[0]}")
        for key, ratio in far:
            blocks.add_row(key, f"{ratio:.3f}")
        console.print(blocks)
    for name, keys in zip(names, (found.only_first, found.only_second), strict=True):
        if keys:
            console.print(f"{len(keys)} blocks in {name} alone, such as '{keys[0]}'")
    if found.networks is not None and found.spearman is not None:
        console.print(
            f"over {_NETWORKS} random networks: {names[1]} / {names[0]} is {found.networks:.3g}, "
            f"rank correlation {found.spearman:.3f}"
        )
