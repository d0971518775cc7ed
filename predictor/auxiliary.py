"""Auxiliary columns: further values of every architecture, as features of predictors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from predictor.base import Auxiliary
from predictor.errors import InvalidValues, MissingAuxiliary
from predictor.ranks import NormalScores
from spaces.space import Codes


class AuxiliaryFeatures:
    """Columns as normal scores of their ranks among the training data.

    Args:
        maps: Name -> map from a column's values to normal scores.
        providers: Name -> function that returns the column of given codes. None: there are none,
            as in a predictor that was loaded from a file.
    """

    def __init__(self, maps: Mapping[str, NormalScores], providers: Auxiliary | None = None):
        self.maps = dict(maps)
        self.providers = dict(providers or {})

    @classmethod
    def from_columns(
        cls, auxiliary: Auxiliary | None, codes: Codes, positions: int | None = None
    ) -> AuxiliaryFeatures:
        """Fit the maps to training data.

        Args:
            auxiliary: Name -> function that returns the column of given codes. None: no columns.
            codes: Codes of the training data, [n, choices].
            positions: Number of positions of nodes; a column may then have one number for each of
                them, [n, positions]. None: a column has one number for each architecture.

        Raises:
            InvalidValues: A column has another shape, or a number that is not finite.
        """
        providers = auxiliary or {}
        maps = {
            name: NormalScores.from_values(_column(name, providers, codes, positions).reshape(-1))
            for name in providers
        }
        return cls(maps, providers)

    @classmethod
    def from_arrays(
        cls, names: Sequence[str], arrays: Mapping[str, NDArray[np.float64]]
    ) -> AuxiliaryFeatures:
        """Rebuild the maps of the columns `names` from the arrays that `arrays` returned."""
        maps = {
            name: NormalScores(
                arrays[f"auxiliary.{index}.scores"], arrays[f"auxiliary.{index}.values"]
            )
            for index, name in enumerate(names)
        }
        return cls(maps)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return the maps as arrays by name, for a predictor's file."""
        arrays = {}
        for index, scores in enumerate(self.maps.values()):
            arrays[f"auxiliary.{index}.scores"] = scores.scores
            arrays[f"auxiliary.{index}.values"] = scores.values
        return arrays

    def provide(self, providers: Auxiliary) -> None:
        """Set the functions that return the columns, after loading a predictor from a file."""
        self.providers = dict(providers)

    def __call__(self, codes: Codes) -> NDArray[np.float64]:
        """Return the features of architectures.

        Args:
            codes: Codes of the architectures, [n, choices].

        Returns:
            Float array [n, columns].

        Raises:
            MissingAuxiliary: No function provides a column.
        """
        columns = self._scored(codes, None)
        return np.stack(columns, axis=1) if columns else np.zeros((len(codes), 0))

    def at_positions(self, codes: Codes, positions: int) -> NDArray[np.float64]:
        """Return the features of every position of architectures.

        Args:
            codes: Codes of the architectures, [n, choices].
            positions: Number of positions.

        Returns:
            Float array [n, positions, columns]; a column with one number for each architecture has
            it at all positions.

        Raises:
            MissingAuxiliary: No function provides a column.
        """
        shape = (len(codes), positions)
        columns = [
            np.broadcast_to(column.reshape(len(codes), -1), shape)
            for column in self._scored(codes, positions)
        ]
        return np.stack(columns, axis=2) if columns else np.zeros((*shape, 0))

    def _scored(self, codes: Codes, positions: int | None) -> list[NDArray[np.float64]]:
        # A predictor that was loaded from a file knows its columns, but not the functions that
        # compute them.
        missing = [name for name in self.maps if name not in self.providers]
        if missing:
            raise MissingAuxiliary(
                "the predictor was fitted on auxiliary columns; call `auxiliary.provide` with"
                f" functions for {', '.join(missing)}"
            )

        return [
            scores.to_scores(_column(name, self.providers, codes, positions))
            for name, scores in self.maps.items()
        ]


def columns_from_table(table: Mapping[str, NDArray[np.float64]], codes: Codes) -> Auxiliary:
    """Return functions that look columns up in a table.

    Args:
        table: Name -> values [n] of the architectures `codes`.
        codes: Codes of all architectures, [n, choices].

    Returns:
        Name -> function that returns the column of given codes. It raises MissingAuxiliary with the
        codes of an architecture that is not in the table.
    """
    # Tuples, because rows of an array cannot be looked up by value.
    index_of = {row: index for index, row in enumerate(map(tuple, codes.tolist()))}

    # A function of its own for each column: a closure of a loop would see the last column only.
    def lookup(values: NDArray[np.float64]) -> Callable[[Codes], NDArray[np.float64]]:
        def column(requested: Codes) -> NDArray[np.float64]:
            rows = list(map(tuple, requested.tolist()))
            unknown = next((row for row in rows if row not in index_of), None)
            if unknown is not None:
                raise MissingAuxiliary(
                    f"the auxiliary columns have no architecture {list(unknown)}"
                )
            return values[[index_of[row] for row in rows]]

        return column

    return {name: lookup(np.asarray(values)) for name, values in table.items()}


def _column(
    name: str, auxiliary: Auxiliary, codes: Codes, positions: int | None
) -> NDArray[np.float64]:
    """Return a column of architectures, checked."""
    values = np.asarray(auxiliary[name](codes), dtype=np.float64)
    shapes: list[tuple[int, ...]] = [(len(codes),)]
    if positions is not None:
        shapes.append((len(codes), positions))
    if values.shape not in shapes or not np.isfinite(values).all():
        alternative = "" if positions is None else f", or for each of its {positions} positions"
        raise InvalidValues(
            f"the auxiliary column {name!r} must be one finite number for each of {len(codes)}"
            f" rows{alternative}"
        )

    return values
