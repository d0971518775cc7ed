"""Sample the architectures of a bin uniformly by counting, if costs are sums over choices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption
from spaces.chains.additive import AdditiveTable
from spaces.space import Codes
from tables.cost.model import CostModel

# Least number of cells of the grid of costs.
_CELLS = 4096

# Rounds of rejection sampling before a bin is reported as nearly empty.
_ATTEMPTS = 200


class AdditiveBins:
    """Samples each choice in proportion to the number of ways to complete the path within a bin.

    The ways are counted on a grid of costs by dynamic programming. The cost of each choice is
    rounded down to a cell of the grid, so that a bin of the grid extends below the true bin by one
    cell per choice. Samples outside the true bin are rejected; all architectures inside it are
    equally probable.

    Args:
        model: Cost model whose table is an AdditiveTable.
        edges: Edges of the bins [bins + 1], rising, in the cost's unit.

    Raises:
        InvalidOption: A bin contains no network.
    """

    def __init__(self, model: CostModel, edges: NDArray[np.float64]):
        assert isinstance(model.table, AdditiveTable)
        self.space = model.space
        self.table = model.table
        self.edges = edges

        # The grid begins at the cheapest architecture and ends at the most expensive one.
        terms = [np.asarray(term, dtype=np.float64) for term in model.table.terms]
        base = model.table.fixed + sum(float(term.min()) for term in terms)
        spread = sum(float(np.ptp(term)) for term in terms)

        # Rounding moves a cost by less than a cell per choice: at most a tenth of the narrowest
        # bin. The floor for that width bounds the memory.
        narrowest = float(np.diff(edges).min())
        cells = max(_CELLS, int(np.ceil(10 * len(terms) * spread / max(narrowest, spread / 1000))))
        self.cell = spread / cells or 1.0
        self.steps = [np.floor((term - term.min()) / self.cell).astype(np.int64) for term in terms]
        self.size = 1 + sum(int(step.max()) for step in self.steps)

        # One more cell on both sides covers the rounding of floating-point sums.
        low = np.floor((edges[:-1] - base) / self.cell) - len(terms) - 1
        high = np.ceil((edges[1:] - base) / self.cell) + 1
        self.ways = [
            self._ways(max(0, int(first)), min(self.size - 1, int(last)))
            for first, last in zip(low.tolist(), high.tolist(), strict=True)
        ]

        # Report an empty bin now, rather than during the training.
        least, greatest = (bound.value for bound in model.bounds())
        for index, ways in enumerate(self.ways):
            if ways is None or not self._any(index):
                low, high = edges[index : index + 2].tolist()
                raise InvalidOption(
                    f"no network of {self.space.name} has {model.metric} from {low:g} to {high:g}; "
                    f"they reach from {least:g} to {greatest:g}"
                )

    def _ways(self, first: int, last: int) -> list[NDArray[np.float64]] | None:
        """Count the ways to complete a path within cells `first` to `last`; None if there are none.

        Entry [c][s] is the number of ways to reach these cells from the sum s by the choices from c
        on.
        """

        # Base case: with no choices left, the sum itself lies within the bin or not.
        final = np.zeros(self.size)
        final[first : last + 1] = 1

        # Recursion from the last choice: ways[c][s] = sum over steps of ways[c + 1][s + step].
        # Floats, for the counts of large spaces exceed 64-bit integers.
        ways = [final]
        for steps in reversed(self.steps):
            counts = np.zeros(self.size)
            for step in steps.tolist():
                counts[: self.size - step] += ways[0][step:]
            ways.insert(0, counts)

        return ways if ways[0][0] > 0 else None

    def _any(self, index: int) -> bool:
        """Return whether a few attempts find an architecture in the true bin."""

        # The grid's bin may contain architectures while the true one contains none.
        rng = np.random.default_rng(0)
        return any(len(self._try(rng, index, 256)) for _ in range(8))

    def _try(self, rng: np.random.Generator, index: int, count: int) -> Codes:
        """Return those of `count` samples from a bin of the grid that lie in the true bin."""
        ways = self.ways[index]
        assert ways is not None

        sums = np.zeros(count, dtype=np.int64)
        codes = np.empty((count, len(self.steps)), dtype=self.space.dtype, order="F")
        for column, steps in enumerate(self.steps):
            # Weight of each candidate: the number of completions from the sum that it leads to.
            reached = sums[:, None] + steps
            weights = np.where(
                reached < self.size, ways[column + 1][np.minimum(reached, self.size - 1)], 0.0
            )

            # Inverse transform sampling, all rows at once.
            cumulative = np.cumsum(weights, axis=1)
            thresholds = rng.random(count) * cumulative[:, -1]
            code = np.minimum((cumulative <= thresholds[:, None]).sum(1), len(steps) - 1)
            codes[:, column] = code
            sums = reached[np.arange(count), code]

        # Reject samples that are in the bin only because of rounding.
        costs = self.table(codes)
        inside: Codes = codes[(costs >= self.edges[index]) & (costs < self.edges[index + 1])]
        return inside

    def draw(self, rng: np.random.Generator, bins: NDArray[np.int64]) -> Codes:
        """Return codes [n, choices] whose i-th row lies in the bin `bins[i]`.

        Args:
            rng: Generator of the samples.
            bins: Index of the bin of each row [n].

        Raises:
            InvalidOption: Nearly all samples of a bin are rejected.
        """
        codes = np.empty((len(bins), len(self.steps)), dtype=self.space.dtype, order="F")
        for index in range(len(self.ways)):
            rows = np.flatnonzero(bins == index)
            filled = 0
            for _ in range(_ATTEMPTS):
                if filled == len(rows):
                    break

                # Twice the missing number, since some samples are rejected.
                accepted = self._try(rng, index, 2 * (len(rows) - filled) + 8)[: len(rows) - filled]
                codes[rows[filled : filled + len(accepted)]] = accepted
                filled += len(accepted)

            if filled < len(rows):
                low, high = self.edges[index : index + 2]
                raise InvalidOption(
                    f"hardly any network costs from {low:g} to {high:g}: take wider bins"
                )
        return codes
