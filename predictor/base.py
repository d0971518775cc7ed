"""The interface of predictors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from predictor.errors import InvalidValues, NotFitted, NotRelaxable, TooFewArchitectures
from spaces.progress import Progress, silent
from spaces.space import Architectures, Codes, SearchSpace

if TYPE_CHECKING:
    from torch import Tensor

Auxiliary: TypeAlias = Mapping[str, Callable[[Codes], NDArray[np.floating[Any]]]]
"""Name -> what gives a further value [n] of any architectures `codes` [n, choices], such as a
supernet's accuracy.

It is asked for the architectures of the fit and for those of every prediction.
"""

FEWEST = 10


class Predictor(ABC):
    """Scores architectures of a space; greater values are better.

    Args:
        space: whose architectures.
        seed: all randomness of the fit comes from it.
    """

    kind: ClassVar[str]

    def __init__(self, space: SearchSpace, seed: int = 0):
        self.space, self.seed = space, seed
        self.trained_on: Mapping[str, Any] = {}

    @abstractmethod
    def fit(
        self,
        architectures: Architectures,
        values: Sequence[float] | NDArray[np.floating[Any]],
        auxiliary: Auxiliary | None = None,
        progress: Progress = silent,
    ) -> None:
        """Learn from architectures (or codes [n, choices]) and their values [n], greater is better.

        Args:
            architectures: n distinct ones.
            values: [n].
            auxiliary: further values; those that a predictor does not use are left alone.
            progress: called now and then.

        Raises:
            TooFewArchitectures: fewer than 10.
            InvalidValues: not one finite value an architecture.
        """

    @abstractmethod
    def predict(
        self, architectures: Architectures
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean [n] and deviation [n] of architectures (or codes [n, choices]), in the unit of the
        values.

        Raises:
            NotFitted: before `fit`.
            MissingAuxiliary: it was fitted on auxiliary columns, and loaded without what gives
                them.
        """

    def score_relaxed(self, probabilities: Sequence[Tensor]) -> Tensor:
        """The mean prediction [n] of architectures that are distributions over candidates,
        differentiable.

        Where one candidate of each choice is certain this is the mean that `predict` gives.

        Args:
            probabilities: for each choice a float tensor [candidates] or [n, candidates].

        Raises:
            NotRelaxable: the predictor's or the space's kind has no such score.
            NotFitted: before `fit`.
        """
        raise NotRelaxable(
            f"relaxed architectures are scored by the predictor gates, not by {self.kind}"
        )

    def record_training(self, details: Mapping[str, Any]) -> None:
        """Add details, such as the file of the data, to `trained_on`, which `save` writes."""
        self.trained_on = {**self.trained_on, **details}

    @abstractmethod
    def save(self, path: str | Path) -> None:
        """Write the fitted predictor as one safetensors file, all or nothing; raises NotFitted."""

    @classmethod
    @abstractmethod
    def from_state(
        cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]
    ) -> Predictor:
        """The predictor of what `save` wrote."""


def training_data(
    space: SearchSpace,
    architectures: Architectures,
    values: Sequence[float] | NDArray[np.floating[Any]],
) -> tuple[Codes, NDArray[np.float64]]:
    """Codes [n, choices] and values [n], checked; raises TooFewArchitectures or InvalidValues."""
    codes, given = space.codes(architectures), np.asarray(values, dtype=np.float64)
    if given.shape != (len(codes),):
        raise InvalidValues(
            f"{len(codes)} architectures need as many values, not the shape {given.shape}"
        )
    if len(codes) < FEWEST:
        raise TooFewArchitectures(
            f"a predictor needs at least {FEWEST} architectures; got {len(codes)}"
        )
    if not np.isfinite(given).all():
        index = int(np.flatnonzero(~np.isfinite(given))[0])
        raise InvalidValues(f"value {index} is {given[index]}; values must be finite")
    return codes, given


def require(fitted: bool) -> None:
    """Raise NotFitted unless `fitted`."""
    if not fitted:
        raise NotFitted("the predictor is not fitted yet; call fit() or load a file")
