"""Block sums with a correction that is fitted on whole networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.chains.additive import AdditiveTable
from tables.cost.ridge import Correction, fit_ridge, remove_noise, undisturbed_mask
from tables.cost.sums import CostTable, SearchedSums, block_sums, correction_features, counted_sums

if TYPE_CHECKING:
    from spaces.space import SearchSpace

Array: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.signedinteger[Any]]
Mask: TypeAlias = NDArray[np.bool_]

CORRECTIONS = ("ridge", "linear", "mlp", "lstm")
"""The kinds of corrections; only the ridge needs numpy alone."""


@dataclass(frozen=True)
class Fitting:
    """The data that corrections are fitted on; the costs of blocks do not depend on them.

    Args:
        space: Space of the architectures.
        costs: Block key -> cost.
        codes: Codes [n, choices] of the measured networks.
        values: Measured costs [n].
        seed: Seed of the folds.
        noise: Deviations [n] of the values themselves. None where they are unknown.
    """

    space: SearchSpace
    costs: Mapping[str, float]
    codes: Codes
    values: Array
    seed: int
    noise: Array | None = None

    def fit(self, kind: str) -> tuple[CostTable, Correction]:
        """Fit a correction on the undisturbed networks.

        Args:
            kind: One of `CORRECTIONS`.

        Returns:
            The corrected costs, and the correction.
        """
        # A ridge leaves disturbed networks out itself, and counts them.
        if kind == "ridge":
            return self._fit_ridge()

        corrected, intercept, deltas = self.restrict(self.mask)._fit_regression(kind)
        return corrected, replace(self._describe(kind), intercept=intercept, deltas=deltas)

    def fold_error(self, kind: str) -> float:
        """Return the root mean square of the cross-validated residuals of a kind.

        Each network is estimated by a fit on the other folds.
        """
        errors = []
        for fitting, test in self._folds:
            if kind == "ridge":
                corrected, _ = fitting._fit_ridge()
            else:
                corrected, *_ = fitting._fit_regression(kind)
            errors.append(self.values[test] - corrected(self.codes[test]))
        return float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))

    def restrict(self, rows: Mask) -> Self:
        """Return the data of some networks alone.

        Args:
            rows: Which networks [n] remain.
        """
        return replace(
            self,
            codes=np.asfortranarray(self.codes[rows]),
            values=self.values[rows],
            noise=None if self.noise is None else self.noise[rows],
        )

    @cached_property
    def plain(self) -> CostTable:
        """Sums of block costs."""
        return block_sums(self.space, lambda block: self.costs[block.key])

    @cached_property
    def sums(self) -> Array:
        """Block sums [n] of the networks."""
        sums: Array = self.plain(self.codes)
        return sums

    @cached_property
    def residuals(self) -> Array:
        """Measured costs [n] minus block sums."""
        residuals: Array = self.values - self.sums
        return residuals

    @cached_property
    def one_hot(self) -> Array:
        """Features [n, features] of the networks: one-hot candidates, or block counts."""
        return correction_features(self.space, self.codes)

    @cached_property
    def mask(self) -> Mask:
        """Which networks [n] were not disturbed."""
        return undisturbed_mask(self.one_hot, self.residuals)

    @cached_property
    def _folds(self) -> list[tuple[Self, NDArray[np.int64]]]:
        """Data of the networks outside each fold, and the positions of those within it."""
        from tables.cost.regression import fold_numbers

        undisturbed = np.flatnonzero(self.mask)
        folds = fold_numbers(len(undisturbed), self.seed)

        pairs = []
        for fold in range(folds.max() + 1):
            train = self.mask.copy()
            train[undisturbed[folds == fold]] = False
            pairs.append((self.restrict(train), undisturbed[folds == fold]))
        return pairs

    def _fit_ridge(self) -> tuple[CostTable, Correction]:
        correction = fit_ridge(self.one_hot, self.sums, self.values, self.noise)

        if isinstance(self.plain, AdditiveTable):
            # A delta of a candidate adds to its term, so that the corrected costs stay additive.
            deltas = np.split(correction.deltas, np.cumsum(self.space.candidates)[:-1])
            terms = [term + delta for term, delta in zip(self.plain.terms, deltas, strict=True)]
            return AdditiveTable(self.plain.fixed + correction.intercept, terms), correction

        deltas_by_key = zip(self._keys, correction.deltas.tolist(), strict=True)
        costs = {key: self.costs[key] + delta for key, delta in deltas_by_key}
        return counted_sums(self.space, costs, correction.intercept), correction

    def _fit_regression(self, kind: str) -> tuple[CostTable, float, Array]:
        """Fit another kind on all networks; return corrected costs, intercept and deltas."""
        if kind == "linear":
            return self._fit_linear()
        return self._fit_network(kind), 0.0, np.zeros(0)

    def _fit_linear(self) -> tuple[CostTable, float, Array]:
        from tables.cost.regression import block_costs_of, fit_linear

        block_costs = block_costs_of(self.space, self.codes, self.costs)
        intercept, slopes = fit_linear(block_costs, self.values)

        if isinstance(self.plain, AdditiveTable):
            # A slope scales the whole term, so that the corrected costs stay additive.
            terms = [term * slope for term, slope in zip(self.plain.terms, slopes, strict=True)]
            return AdditiveTable(intercept, terms), intercept, slopes

        slopes_by_key = zip(self._keys, slopes.tolist(), strict=True)
        costs = {key: self.costs[key] * slope for key, slope in slopes_by_key}
        return counted_sums(self.space, costs, intercept), intercept, slopes

    def _fit_network(self, kind: str) -> CostTable:
        """Fit a perceptron or a recurrent network."""
        from tables.cost.regression import NETWORKS, block_costs_of

        block_costs = block_costs_of(self.space, self.codes, self.costs)
        predict = NETWORKS[kind](block_costs, self.values, self.seed)
        # A network is no sum over choices: its bounds have to be searched for.
        return SearchedSums(
            self.space, lambda codes: predict(block_costs_of(self.space, codes, self.costs))
        )

    def _describe(self, kind: str) -> Correction:
        """Return the correction of a regression without its coefficients."""
        mask = self.mask
        residual = self.fold_error(kind)
        count = int(mask.sum())

        return Correction(
            intercept=0.0,
            deltas=np.zeros(0),
            sigma=remove_noise(residual, count, None if self.noise is None else self.noise[mask]),
            naive_sigma=self._naive_sigma,
            penalty=0.0,
            count=count,
            outliers=len(mask) - count,
            residual=residual,
            kind=kind,
        )

    @property
    def _naive_sigma(self) -> float:
        """Deviation of the undisturbed networks from block sums with an intercept."""
        residuals = self.residuals[self.mask]
        # A leave-one-out residual from the mean is n / (n - 1) times the plain one.
        return float(residuals.std() * len(residuals) / (len(residuals) - 1))

    @property
    def _keys(self) -> list[str]:
        """Block keys in the order of `block_counts`' columns."""
        return self.space.block_counts(self.codes[:1])[0]
