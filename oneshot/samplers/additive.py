"""Uniform architectures of a bin where costs are sums over choices, by counting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption
from spaces.chains.additive import AdditiveTable
from spaces.space import Codes
from tables.cost.model import CostModel

_CELLS = 4096
_ATTEMPTS = 200


class AdditiveBins:
    """Counts, on a grid of costs, the ways to complete a path, and draws each choice in proportion
    to them.

    Costs are rounded down to cells of the grid, choice by choice, so that a bin of the grid reaches
    below the true one by a cell a choice. What a true bin does not hold is drawn again; all that it
    holds is drawn with equal chance.

    Args:
        model: its table is an AdditiveTable.
        edges: of the bins [bins + 1], rising.

    Raises:
        InvalidOption: a bin holds no network.
    """

    def __init__(self, model: CostModel, edges: NDArray[np.float64]):
        assert isinstance(model.table, AdditiveTable)
        self.space, self.table, self.edges = model.space, model.table, edges
        terms = [np.asarray(term, dtype=np.float64) for term in model.table.terms]
        base = model.table.fixed + sum(float(term.min()) for term in terms)
        spread = sum(float(np.ptp(term)) for term in terms)
        # A tenth of a bin at most is lost to rounding.
        narrowest = float(np.diff(edges).min())
        cells = max(_CELLS, int(np.ceil(10 * len(terms) * spread / max(narrowest, spread / 1000))))
        self.cell = spread / cells or 1.0
        self.steps = [np.floor((term - term.min()) / self.cell).astype(np.int64) for term in terms]
        self.size = 1 + sum(int(step.max()) for step in self.steps)
        # One cell more on both sides, for the rounding of the numbers themselves.
        low = np.floor((edges[:-1] - base) / self.cell) - len(terms) - 1
        high = np.ceil((edges[1:] - base) / self.cell) + 1
        self.ways = [
            self._ways(max(0, int(first)), min(self.size - 1, int(last)))
            for first, last in zip(low.tolist(), high.tolist(), strict=True)
        ]
        least, greatest = (bound.value for bound in model.bounds())
        for index, ways in enumerate(self.ways):
            if ways is None or not self._any(index):
                low, high = edges[index : index + 2].tolist()
                raise InvalidOption(
                    f"no network of {self.space.name} has {model.metric} from {low:g} to {high:g}; "
                    f"they reach from {least:g} to {greatest:g}"
                )

    def _ways(self, first: int, last: int) -> list[NDArray[np.float64]] | None:
        # ways[c][s]: how many completions from choice c on lead from the sum s to one between first
        # and last.
        ends = np.zeros(self.size)
        ends[first : last + 1] = 1
        found = [ends]
        for steps in reversed(self.steps):
            before = np.zeros(self.size)
            for step in steps.tolist():
                before[: self.size - step] += found[0][step:]
            found.insert(0, before)
        return found if found[0][0] > 0 else None

    def _any(self, index: int) -> bool:
        rng = np.random.default_rng(0)
        return any(len(self._try(rng, index, 256)) for _ in range(8))

    def _try(self, rng: np.random.Generator, index: int, count: int) -> Codes:
        """Those of `count` draws of a bin that are truly in it."""
        ways = self.ways[index]
        assert ways is not None
        sums = np.zeros(count, dtype=np.int64)
        codes = np.empty((count, len(self.steps)), dtype=self.space.dtype, order="F")
        for column, steps in enumerate(self.steps):
            reached = sums[:, None] + steps
            weights = np.where(
                reached < self.size, ways[column + 1][np.minimum(reached, self.size - 1)], 0.0
            )
            shares = np.cumsum(weights, axis=1)
            drawn = rng.random(count) * shares[:, -1]
            code = np.minimum((shares <= drawn[:, None]).sum(1), len(steps) - 1)
            codes[:, column] = code
            sums = reached[np.arange(count), code]
        costs = self.table(codes)
        inside: Codes = codes[(costs >= self.edges[index]) & (costs < self.edges[index + 1])]
        return inside

    def draw(self, rng: np.random.Generator, bins: NDArray[np.int64]) -> Codes:
        """Codes [n, choices], the i-th of the bin `bins[i]`."""
        codes = np.empty((len(bins), len(self.steps)), dtype=self.space.dtype, order="F")
        for index in range(len(self.ways)):
            rows = np.flatnonzero(bins == index)
            filled = 0
            for _ in range(_ATTEMPTS):
                if filled == len(rows):
                    break
                found = self._try(rng, index, 2 * (len(rows) - filled) + 8)[: len(rows) - filled]
                codes[rows[filled : filled + len(found)]] = found
                filled += len(found)
            if filled < len(rows):
                low, high = self.edges[index : index + 2]
                raise InvalidOption(
                    f"hardly any network costs from {low:g} to {high:g}: take wider bins"
                )
        return codes
