"""The peak memory of a network's activations by the blocks of a lookup table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.heads.attached import WaitingValues
from tables.conditions import PRECISION_BYTES
from tables.cost.latency import check_blocks
from tables.cost.model import CostModel
from tables.cost.peaks import PeakTable
from tables.cost.sums import CostTable, SearchedSums
from tables.errors import MissingFigures

if TYPE_CHECKING:
    from spaces.block import Block
    from spaces.space import SearchSpace
    from tables.lookup_table import LookupTable

METRIC = "memory_bytes"


def memory_model(table: LookupTable, space: SearchSpace) -> CostModel:
    """Build the model of the most bytes of activations that a network holds at once.

    The blocks of a chain run one after the other, and only the input of the next block outlives
    one. That block's figure includes its input, so a network's peak is exactly the greatest of its
    blocks' peaks (sigma is 0). With a head the features that wait for a later layer are added to
    each block; their sizes are the same in all networks. The image counts for the block that
    receives it; weights do not count. The model is for the table's batch. Networks of text hold
    their weights and their cache at the table's length, which are exact too; their activations do
    not count.

    Args:
        table: Lookup table with `activation_bytes` of its blocks.
        space: Space of the architectures.

    Raises:
        MissingBlock: The table lacks a block of the space.
        MissingFigures: A block of the space has no figure, or the space is no chain: in a cell
            other values wait while a block runs, so the blocks do not determine the peak.
    """
    if space.phases:
        return _weights_and_cache(table, space)
    if not space.is_chain and space.waiting_values is None:
        raise MissingFigures(
            table.name,
            METRIC,
            f"{space.name} is no chain of blocks, and no figure includes the values that wait while"
            " a block runs",
        )
    check_blocks(table, space)
    _check_figures(table, space)

    peaks: CostTable
    if space.resolutions:
        # The first choice is the resolution: each has its own blocks, and so its own table.
        tables = [_peak_table(table, space.at(code)) for code in range(len(space.resolutions))]
        peaks = SearchedSums(space, lambda codes: _at_resolutions(tables, codes))
    else:
        peaks = _peak_table(table, space)
    return CostModel(space, METRIC, peaks, 0.0, table.name)


def _weights_and_cache(table: LookupTable, space: SearchSpace) -> CostModel:
    batch = int(table.conditions["batch"])
    number_bytes = PRECISION_BYTES[str(table.conditions["precision"])]
    tokens = table.conditions.get("cache")

    def count(codes: NDArray[Any]) -> NDArray[np.int64]:
        cache = space.cache_bytes(codes, tokens, number_bytes)
        result: NDArray[np.int64] = space.weight_bytes(codes, number_bytes) + batch * cache
        return result

    return CostModel(space, METRIC, SearchedSums(space, count), 0.0, table.name)


def _check_figures(table: LookupTable, space: SearchSpace) -> None:
    keys = list(space.all_blocks)
    missing = [key for key in keys if table.blocks[key].activation_bytes is None]

    if len(missing) == len(keys):
        reason = "it was built without figures of its blocks' activations"
        raise MissingFigures(table.name, METRIC, reason)

    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        reason = f"it has none for the block '{missing[0]}'{others} of {space.name}"
        raise MissingFigures(table.name, METRIC, reason)


def _peak_table(table: LookupTable, space: SearchSpace) -> PeakTable:
    value_bytes = int(table.conditions["batch"]) * PRECISION_BYTES[table.conditions["precision"]]
    waiting = space.waiting_values or _nothing_waits(space)

    def peak(block: Block, values: int) -> int:
        return (table.blocks[block.key].activation_bytes or 0) + values * value_bytes

    fixed = map(peak, space.fixed_blocks, waiting.fixed)
    terms = [
        np.array(
            [
                # The input of a candidate waits while its blocks after the first one run.
                max(
                    (
                        peak(block, values if index == 0 else values + inputs)
                        for index, block in enumerate(blocks)
                    ),
                    default=0,
                )
                for blocks in layer.candidates.values()
            ]
        )
        for layer, values, inputs in zip(
            space.choice_layers, waiting.layers, waiting.inputs, strict=True
        )
    ]
    return PeakTable(max((*fixed, waiting.result * value_bytes)), terms)


def _nothing_waits(space: SearchSpace) -> WaitingValues:
    """Return the waiting values of a chain."""
    layers = (0,) * len(space.choice_layers)
    return WaitingValues((0,) * len(space.fixed_blocks), layers, layers, 0)


def _at_resolutions(tables: list[PeakTable], codes: NDArray[Any]) -> NDArray[np.int64]:
    peaks = np.zeros(len(codes), dtype=np.int64)
    for code, table in enumerate(tables):
        rows = np.flatnonzero(codes[:, 0] == code)

        # The tables of the resolutions lack the first choice, which selects among them.
        peaks[rows] = table(codes[rows, 1:])
    return peaks
