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
from tables.metrics import describe_metric

if TYPE_CHECKING:
    from torch import Tensor

Auxiliary: TypeAlias = Mapping[str, Callable[[Codes], NDArray[np.floating[Any]]]]
"""Name -> function that returns a further value of architectures, such as a supernet's accuracy.

It maps codes [n, choices] to values [n], and is called for the architectures of the fit and of
every prediction.
"""

MIN_ARCHITECTURES = 10
"""Fewest architectures that a predictor is fitted on."""


class Predictor(ABC):
    """Score architectures of a space; greater values are better.

    Args:
        space: Space of the architectures.
        seed: Seed of all randomness of the fit.

    Example:
        >>> import numpy as np
        >>> import predictor
        >>> import spaces
        >>> class Cheapest(predictor.Predictor):
        ...     kind = "cheapest"
        ...     def fit(self, architectures, values, auxiliary=None, progress=None):
        ...         pass
        ...     def predict(self, architectures):
        ...         macs = self.space.macs(self.space.codes(architectures))
        ...         return -macs.astype(float), np.zeros(len(macs))
        ...     def save(self, path):
        ...         raise NotImplementedError
        ...     @classmethod
        ...     def from_state(cls, space, config, tensors):
        ...         return cls(space)
        >>> space = spaces.get("spos-tiny")
        >>> mean, deviation = Cheapest(space).predict(space.sample(np.random.default_rng(0), 3))
        >>> mean.shape, deviation.shape
        ((3,), (3,))
    """

    kind: ClassVar[str]
    """Name of the predictor in the registry and in files."""

    def __init__(self, space: SearchSpace, seed: int = 0):
        self.space = space
        self.seed = seed
        self.trained_on: Mapping[str, Any] = {}

    @abstractmethod
    def fit(
        self,
        architectures: Architectures,
        values: Sequence[float] | NDArray[np.floating[Any]],
        auxiliary: Auxiliary | None = None,
        progress: Progress = silent,
    ) -> None:
        """Learn from architectures and their values.

        Args:
            architectures: n distinct architectures, or their codes [n, choices].
            values: Their values, [n]; greater is better.
            auxiliary: Further values of architectures; a predictor ignores those that it does not
                use. None: there are none.
            progress: Called now and then with the fraction of the fit that is done.

        Raises:
            TooFewArchitectures: There are fewer than 10 architectures.
            InvalidValues: The number of values differs, or a value is not finite.
        """

    @abstractmethod
    def predict(
        self, architectures: Architectures
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict values of architectures.

        Args:
            architectures: n architectures, or their codes [n, choices].

        Returns:
            Mean [n] and standard deviation [n], in the unit of the values of the fit.

        Raises:
            NotFitted: `fit` has not been called.
            MissingAuxiliary: The predictor was fitted on auxiliary columns and loaded from a file,
                and no function provides them.
        """

    def score_relaxed(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Predict architectures that are distributions over candidates, differentiably.

        Where each choice has one certain candidate this is the mean that `predict` returns.

        Args:
            probabilities: For each choice a float tensor [candidates] or [n, candidates].

        Returns:
            Mean predictions, [n].

        Raises:
            NotRelaxable: The predictor or the space does not support relaxed architectures.
            NotFitted: `fit` has not been called.
        """
        raise NotRelaxable(
            f"relaxed architectures are scored by the predictor gates, not by {self.kind}"
        )

    def describe_metric(self) -> dict[str, Any]:
        """Return the name, the unit and the direction of the predicted metric.

        Predictions are scores, of which greater is better: values of a metric of which lower is
        better have changed their sign. Empty where the metric is not recorded.
        """
        return describe_metric(self.trained_on)

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
        """Rebuild a predictor from the config and the tensors that `save` wrote."""


def training_data(
    space: SearchSpace,
    architectures: Architectures,
    values: Sequence[float] | NDArray[np.floating[Any]],
    steps: int | None = None,
) -> tuple[Codes, NDArray[np.float64]]:
    """Check training data.

    Args:
        space: Space of the architectures.
        architectures: n architectures, or their codes [n, choices].
        values: Their values, [n] or [n, steps].
        steps: Number of values of each architecture; None: one, without a dimension of its own.

    Returns:
        Codes [n, choices] and values [n] or [n, steps].

    Raises:
        TooFewArchitectures: There are fewer than 10 architectures.
        InvalidValues: The number of values differs, or a value is not finite.
    """
    codes = space.codes(architectures)
    targets = np.asarray(values, dtype=np.float64)
    shape = (len(codes),) if steps is None else (len(codes), steps)
    if targets.shape != shape:
        raise InvalidValues(
            f"{len(codes)} architectures need as many values, not the shape {targets.shape}"
            if steps is None
            else f"{len(codes)} architectures need {steps} values each, not the shape"
            f" {targets.shape}"
        )
    if len(codes) < MIN_ARCHITECTURES:
        raise TooFewArchitectures(
            f"a predictor needs at least {MIN_ARCHITECTURES} architectures; got {len(codes)}"
        )
    if not np.isfinite(targets).all():
        index = int(np.flatnonzero(~np.isfinite(targets))[0])
        raise InvalidValues(f"value {index} is {targets.flat[index]}; values must be finite")

    return codes, targets


def require(fitted: bool) -> None:
    """Raise NotFitted unless `fitted`."""
    if not fitted:
        raise NotFitted("the predictor is not fitted yet; call fit() or load a file")
