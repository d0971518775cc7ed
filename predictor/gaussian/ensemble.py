"""The mean of several Gaussian processes that see different groups of features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from predictor.gaussian.priors import GroupPrior
from predictor.gaussian.process import STEPS, ExactProcess

# Least mean squared error of a process, of targets with the variance 1.
_MIN_ERROR = 1e-4

SHARPNESS = 4
"""Power of the errors in the weights.

With the first power, processes without the choices spoilt predictions of values that follow these
(tau .545 in place of .574); cells of NAS-Bench-201 are ranked alike with both.
"""


class ProcessEnsemble:
    """A process on all groups of features, and further ones that lack some of them.

    With few targets the likelihood does not determine how much a group matters; the mean over
    processes with and without it errs less than a single choice. A process weighs the inverse of a
    power of its mean squared error on rows that are left out. `left_out_mean` and
    `left_out_deviation` [n] predict each row from all others.

    Args:
        features: Group -> float array [n, features].
        targets: Targets of mean 0 and a deviation of about 1, [n].
        omitted: Groups that each further process lacks.
        progress: Called with the fraction of the fit that is done.
        parameters: For each process the logarithms of its kernel's parameters. None: they are
            fitted.
        seed: Seed of the fits; see `ExactProcess`.
        steps: Number of steps of each fit.
        priors: Group -> prior; see `ExactProcess`.
        sharpness: Power of the errors in the weights.

    Raises:
        InsufficientMemory: A fit would not fit into the available memory.

    Example:
        >>> import numpy as np
        >>> from predictor.gaussian.ensemble import ProcessEnsemble
        >>> rng = np.random.default_rng(0)
        >>> features = {"depth": rng.normal(size=(20, 1)), "costs": rng.normal(size=(20, 2))}
        >>> targets = features["depth"][:, 0]
        >>> ensemble = ProcessEnsemble(features, targets, omitted=[("costs",)])
        >>> mean, deviation = ensemble.predict(features)
        >>> bool(np.abs(mean - targets).max() < 0.3)
        True
    """

    def __init__(
        self,
        features: Mapping[str, NDArray[Any]],
        targets: NDArray[np.float64],
        omitted: Sequence[Sequence[str]] = (),
        progress: Callable[[float], object] = lambda fraction: None,
        parameters: Sequence[Mapping[str, Tensor]] | None = None,
        seed: int = 0,
        steps: int = STEPS,
        priors: Mapping[str, GroupPrior] | None = None,
        sharpness: int = SHARPNESS,
    ):
        self.processes: list[ExactProcess] = []
        group_sets = [
            tuple(features),
            *(tuple(name for name in features if name not in lacking) for lacking in omitted),
        ]
        for index, names in enumerate(group_sets):
            # The default binds the index of this process; a closure would read the last one.
            def report(fraction: float, index: int = index) -> None:
                progress((index + fraction) / len(group_sets))

            process = ExactProcess(
                {name: features[name] for name in names},
                targets,
                report,
                None if parameters is None else parameters[index],
                seed,
                steps,
                priors,
            )
            self.processes.append(process)

        left_out = [
            (process.left_out_mean, process.left_out_deviation) for process in self.processes
        ]
        # A process that lacks what decides, such as the costs where latencies are predicted, must
        # not spoil the mean.
        errors = [float(np.square(targets - mean).mean()) for mean, _ in left_out]
        inverse = np.maximum(errors, _MIN_ERROR) ** -sharpness
        self.weights = inverse / inverse.sum()
        self.left_out_mean, self.left_out_deviation = _mixture(left_out, self.weights)

    def predict(
        self, features: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict targets.

        Args:
            features: Group -> float array [n, features], as for the fit.

        Returns:
            Mean [n] and deviation [n] of the processes' mixture, noise included.
        """
        predictions = [process.predict(features) for process in self.processes]
        return _mixture(predictions, self.weights)


def _mixture(
    predictions: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean [n] and deviation [n] of a mixture of predictions with weights of sum 1."""
    # The square root would change the last digit of a single process.
    if len(predictions) == 1:
        return predictions[0]
    means = np.stack([mean for mean, _ in predictions])
    deviations = np.stack([deviation for _, deviation in predictions])
    mean = weights @ means
    variance = weights @ (np.square(deviations) + np.square(means - mean))
    return mean, np.sqrt(variance)
