"""Auxiliary columns as features: what is known of every architecture beside the values to
predict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from predictor.base import Auxiliary
from predictor.errors import InvalidValues, MissingAuxiliary
from predictor.ranks import NormalScores
from spaces.space import Codes


class AuxiliaryFeatures:
    """Columns as normal scores of their ranks among the training data.

    Args:
        maps: name -> the map of a column.
        providers: name -> what gives the column; a loaded predictor begins without.
    """

    def __init__(self, maps: Mapping[str, NormalScores], providers: Auxiliary | None = None):
        self.maps, self.providers = dict(maps), dict(providers or {})

    @classmethod
    def of(
        cls, auxiliary: Auxiliary | None, codes: Codes, positions: int | None = None
    ) -> AuxiliaryFeatures:
        """The maps of training data `codes` [n, choices].

        Args:
            auxiliary: name -> what gives the column.
            codes: of the training data.
            positions: where given, a column may also have one number for each position of a node,
                [n, positions].

        Raises:
            InvalidValues: a column has another shape, or is not finite.
        """
        given = auxiliary or {}
        maps = {
            name: NormalScores.of(_column(name, given, codes, positions).reshape(-1))
            for name in given
        }
        return cls(maps, given)

    def __call__(self, codes: Codes) -> NDArray[np.float64]:
        """Float array [n, columns] of `codes` [n, choices]; raises MissingAuxiliary."""
        columns = self._scored(codes, None)
        return np.stack(columns, axis=1) if columns else np.zeros((len(codes), 0))

    def at_positions(self, codes: Codes, positions: int) -> NDArray[np.float64]:
        """Float array [n, positions, columns]; an architecture's number stands at all positions; as
        `__call__`.
        """
        shape = (len(codes), positions)
        columns = [
            np.broadcast_to(column.reshape(len(codes), -1), shape)
            for column in self._scored(codes, positions)
        ]
        return np.stack(columns, axis=2) if columns else np.zeros((*shape, 0))

    def _scored(self, codes: Codes, positions: int | None) -> list[NDArray[np.float64]]:
        missing = [name for name in self.maps if name not in self.providers]
        if missing:
            raise MissingAuxiliary(
                "the predictor was fitted on auxiliary columns; set its `auxiliary.providers` for"
                f" {', '.join(missing)}"
            )
        return [
            scores.to_scores(_column(name, self.providers, codes, positions))
            for name, scores in self.maps.items()
        ]


def columns_of(table: Mapping[str, NDArray[np.float64]], codes: Codes) -> Auxiliary:
    """What gives columns out of a table: name -> [n] values of `codes` [n, choices].

    Raises:
        MissingAuxiliary: when an architecture is asked for that is not among `codes`; its codes are
            named.
    """
    place = {row: index for index, row in enumerate(map(tuple, codes.tolist()))}

    def provider(values: NDArray[np.float64]) -> object:
        def give(wanted: Codes) -> NDArray[np.float64]:
            rows: Sequence[tuple[int, ...]] = list(map(tuple, wanted.tolist()))
            unknown = next((row for row in rows if row not in place), None)
            if unknown is not None:
                raise MissingAuxiliary(
                    f"the auxiliary columns have no architecture {list(unknown)}"
                )
            return values[[place[row] for row in rows]]

        return give

    return {name: provider(np.asarray(values)) for name, values in table.items()}  # type: ignore[misc]


def _column(
    name: str, auxiliary: Auxiliary, codes: Codes, positions: int | None
) -> NDArray[np.float64]:
    values = np.asarray(auxiliary[name](codes), dtype=np.float64)
    shapes = [(len(codes),)] if positions is None else [(len(codes),), (len(codes), positions)]
    if values.shape not in shapes or not np.isfinite(values).all():
        each = "" if positions is None else f", or for each of its {positions} positions"
        raise InvalidValues(
            f"the auxiliary column {name!r} must be one finite number for each of {len(codes)}"
            f" rows{each}"
        )
    return values
