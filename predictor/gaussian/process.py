"""An exact Gaussian process on arrays, fitted by penalised likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from predictor.errors import InsufficientMemory
from predictor.features.groups import COUNTS
from predictor.gaussian.kernel import covariance, group_distances, initial_parameters
from spaces.memory import available_bytes

# Added to the diagonal, for the Cholesky decomposition.
_JITTER = 1e-5
# Least range of a column, and least deviation that it is divided by.
_MIN_SPREAD = 1e-6
_MIN_SPREAD_OF_COUNTS = 0.35
_STEPS = 120
_LEARNING_RATE = 0.06
# Factors of the squared differences from the initial parameters.
_PENALTY = {"lengths": 0.05, "amplitudes": 0.05, "weights": 1.5, "together": 0.05, "noise": 0.05}
# Architectures predicted at once.
_CHUNK = 4096
# Matrices [n, n] in memory at once in a step of the fit: for each group its distances, and what the
# gradient needs of its kernel; beyond these, the sum over groups, its factor, inverse and gradient.
_MATRICES_PER_GROUP = 3
_MATRICES = 10


class ExactProcess:
    """A Gaussian process with mean 0, fitted when it is made.

    Args:
        features: Group -> float array [n, features]; constant columns are left out.
        targets: Targets of mean 0 and a deviation of about 1, [n].
        progress: Called with the fraction of the fit that is done.
        parameters: Logarithms of the kernel's parameters. None: they are fitted.

    Raises:
        InsufficientMemory: The fit would not fit into the available memory.
    """

    def __init__(
        self,
        features: Mapping[str, NDArray[Any]],
        targets: NDArray[np.float64],
        progress: Callable[[float], object] = lambda fraction: None,
        parameters: Mapping[str, Tensor] | None = None,
    ):
        # A constant column distinguishes nothing, and has no deviation to divide by.
        varied = {
            name: np.flatnonzero(np.ptp(values, axis=0) > _MIN_SPREAD)
            for name, values in features.items()
        }
        self.columns = {name: columns for name, columns in varied.items() if len(columns)}
        self.sizes = [len(columns) for columns in self.columns.values()]
        raw = self._raw(features)
        self.mean = raw.mean(0)
        self.deviation = torch.maximum(raw.std(0), self._min_deviation())
        self.inputs = (raw - self.mean) / self.deviation
        self.targets = torch.from_numpy(targets)
        self.parameters = dict(parameters) if parameters is not None else self._fit(progress)
        self._solve()

    def _raw(self, features: Mapping[str, NDArray[Any]]) -> Tensor:
        """Return the columns of the fit, [n, features], not standardised."""
        groups = [
            np.asarray(features[name], dtype=np.float64)[:, columns]
            for name, columns in self.columns.items()
        ]
        rows = len(next(iter(features.values())))
        return torch.from_numpy(np.concatenate(groups, axis=1) if groups else np.zeros((rows, 0)))

    def _min_deviation(self) -> Tensor:
        # Without it a count that is almost constant would put the few architectures where it
        # differs far away from all others.
        minima = [_MIN_SPREAD_OF_COUNTS if name in COUNTS else _MIN_SPREAD for name in self.columns]
        sizes = torch.tensor(self.sizes, dtype=torch.int64)
        return torch.tensor(minima).double().repeat_interleave(sizes)

    def _fit(self, progress: Callable[[float], object]) -> dict[str, Tensor]:
        """Return the parameters of the greatest penalised likelihood, found by Adam.

        Raises:
            InsufficientMemory: The matrices of a step would not fit into the available memory.
        """
        self._check_memory()
        initial = initial_parameters(self.sizes or [1])
        parameters = {name: value.clone().requires_grad_() for name, value in initial.items()}

        # Computed once, since they do not depend on the parameters.
        distances = group_distances(self.inputs, self.inputs, self.sizes)
        optimizer = torch.optim.Adam(parameters.values(), lr=_LEARNING_RATE)
        for step in range(_STEPS):
            matrix = self._matrix(distances, parameters)
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(matrix.detach()))
            solved = inverse @ self.targets

            # The gradient of -log p(targets) by the covariance; Rasmussen and Williams (2006),
            # equation 5.9. Autograd would go through the decomposition, which takes longer.
            gradient = 0.5 * (inverse - solved[:, None] * solved)
            penalty = torch.stack(
                [
                    _PENALTY[name] * (parameters[name] - initial[name]).square().sum()
                    for name in parameters
                ]
            ).sum()
            optimizer.zero_grad()
            torch.autograd.backward([matrix, penalty], [gradient, torch.ones_like(penalty)])
            optimizer.step()
            progress((step + 1) / _STEPS)

        return {name: value.detach() for name, value in parameters.items()}

    def _check_memory(self) -> None:
        # Before the first step: afterwards torch's allocator fails, or the system ends the process.
        available = available_bytes()
        if available is None:
            return

        count = len(self.inputs)
        num_matrices = _MATRICES_PER_GROUP * len(self.sizes) + _MATRICES
        bytes_per_pair = num_matrices * self.inputs.element_size()
        needed = bytes_per_pair * count**2
        if needed > available:
            most = math.isqrt(available // bytes_per_pair)
            raise InsufficientMemory(
                f"a Gaussian process on {count} architectures needs about {needed / 1e9:.1f} GB of"
                f" memory, of which {available / 1e9:.1f} GB are available; train on at most"
                f" {most}, or take another predictor, such as gates or forest"
            )

    def _matrix(self, distances: Sequence[Tensor], parameters: Mapping[str, Tensor]) -> Tensor:
        """Return the covariance [n, n] of the targets, noise included."""
        matrix = covariance(self.inputs, self.inputs, distances, parameters)
        noise = parameters["noise"].exp() + _JITTER
        return matrix + noise * torch.eye(len(matrix), dtype=matrix.dtype)

    def _solve(self) -> None:
        """Compute everything of a prediction that does not depend on its features."""
        matrix = self._matrix(
            group_distances(self.inputs, self.inputs, self.sizes), self.parameters
        )
        self.inverse = torch.cholesky_inverse(torch.linalg.cholesky(matrix))
        self.solved = self.inverse @ self.targets
        self.prior = float(
            self.parameters["together"].exp() + self.parameters["amplitudes"].exp().sum()
        )

    def predict(
        self, features: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict targets.

        Args:
            features: Group -> float array [n, features], as for the fit.

        Returns:
            Mean [n] and deviation [n], noise included.
        """
        # Single precision is enough to rank and takes half the time.
        train_inputs = self.inputs.float()
        inverse = self.inverse.float()
        parameters = {name: value.float() for name, value in self.parameters.items()}
        raw = self._raw(features)
        inputs = ((raw - self.mean) / self.deviation).float()

        means = []
        variances = []
        for chunk in inputs.tensor_split(list(range(_CHUNK, len(raw), _CHUNK))):
            distances = group_distances(chunk, train_inputs, self.sizes)
            across = covariance(chunk, train_inputs, distances, parameters)

            # Summed in double precision: the mean is a difference of large terms.
            means.append(across.double() @ self.solved)

            # Rasmussen and Williams (2006), equation 2.26.
            variances.append(self.prior - ((across @ inverse) * across).sum(1).double())

        mean = torch.cat(means)
        noise = float(self.parameters["noise"].exp())
        # Rounding can make the variance at a training architecture negative.
        variance = torch.cat(variances).clamp_min(0) + noise
        return mean.numpy(), variance.sqrt().numpy()
