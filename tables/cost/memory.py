"""The memory of activations that a network needs at once, by the blocks of a lookup table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

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
    """The most bytes of activations that a network of a chain holds at once, for the batch of the
    table.

    Blocks of a chain run one after the other and leave nothing but what the next one takes, which
    that one's figure
    counts: a network's peak is the greatest of its blocks', exactly (sigma 0). The image counts for
        the block that
    takes it; weights do not count.

    Args:
        table: with `activation_bytes` of its blocks.
        space: whose architectures.

    Raises:
        MissingBlock: the table lacks a block of the space.
        MissingFigures: a block of the space has no figure, or the space is no chain: in a cell
            other values wait while a block runs, so that its blocks do not tell the peak.
    """
    if not space.is_chain:
        reason = (
            f"{space.name} is no chain of blocks: what waits beside a block that runs is in no"
            " figure"
        )
        raise MissingFigures(table.name, METRIC, reason)
    check_blocks(table, space)
    blocks = space.all_blocks
    unknown = [key for key in blocks if table.blocks[key].activation_bytes is None]
    if len(unknown) == len(blocks):
        raise MissingFigures(
            table.name, METRIC, "it was built without figures of its blocks' activations"
        )
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise MissingFigures(
            table.name, METRIC, f"it has none for the block '{unknown[0]}'{more} of {space.name}"
        )
    peaks: CostTable
    if space.resolutions:
        parts = [_peaks(table, space.at(code)) for code in range(len(space.resolutions))]
        peaks = SearchedSums(space, lambda codes: _at_resolutions(parts, codes))
    else:
        peaks = _peaks(table, space)
    return CostModel(space, METRIC, peaks, 0.0, table.name)


def _peaks(table: LookupTable, space: SearchSpace) -> PeakTable:
    def peak(blocks: Iterable[Block]) -> int:
        return max((table.blocks[block.key].activation_bytes or 0 for block in blocks), default=0)

    terms = [
        np.array([peak(blocks) for blocks in layer.candidates.values()])
        for layer in space.choice_layers
    ]
    return PeakTable(peak(space.fixed_blocks), terms)


def _at_resolutions(parts: list[PeakTable], codes: NDArray[Any]) -> NDArray[np.int64]:
    found = np.zeros(len(codes), dtype=np.int64)
    for code, part in enumerate(parts):
        rows = np.flatnonzero(codes[:, 0] == code)
        found[rows] = part(codes[rows, 1:])
    return found
