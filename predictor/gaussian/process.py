"""An exact Gaussian process on arrays, fitted by penalised likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import lapack
from torch import Tensor

from predictor.errors import InsufficientMemory
from predictor.features.groups import COUNTS
from predictor.gaussian.kernel import covariance, group_distances, initial_parameters
from predictor.gaussian.priors import GroupPrior
from spaces.memory import available_bytes

STEPS = 70
"""Steps of a fit."""

# Added to the diagonal, for the Cholesky decomposition.
_JITTER = 1e-5
# Least range of a column, and least deviation that it is divided by.
_MIN_SPREAD = 1e-6
_MIN_SPREAD_OF_COUNTS = 0.35
_LEARNING_RATE = 0.06
# Factors of the squared differences from the initial parameters, and of those that have a prior.
_PENALTY = {"lengths": 0.05, "amplitudes": 0.05, "weights": 1.5, "together": 0.05, "noise": 0.05}
_PRIOR_PENALTY = 5.0
# Architectures predicted at once: more of them leave the processor's cache.
_CHUNK = 512
# Architectures whose likelihood the parameters are fitted to: with more of them the parameters
# change little, and a step takes the third power of their number.
_LIKELIHOOD_ROWS = 1000
# Rows of the covariance that are computed at once.
_BLOCK = 512
# Bytes for each pair of architectures. A step of the fit has single-precision matrices: for each
# group its distances, and what the gradient needs of its kernel; beyond these, the sum over groups
# and its gradient, and in double precision the factor, the inverse and the gradient.
_STEP_BYTES_PER_GROUP = 3 * 4
_STEP_BYTES = 6 * 8
# The covariance, inverted in place, and the inverse in single precision.
_SOLVE_BYTES = 8 + 4


class ExactProcess:
    """A Gaussian process with mean 0, fitted when it is made.

    Args:
        features: Group -> float array [n, features]; constant columns are left out.
        targets: Targets of mean 0 and a deviation of about 1, [n].
        progress: Called with the fraction of the fit that is done.
        parameters: Logarithms of the kernel's parameters. None: they are fitted, to 1000 rows at
            most; predictions use all rows.
        seed: Seed of the choice of these rows.
        steps: Number of steps of the fit.
        priors: Group -> prior of its length and amplitude. None: nothing is known of any group.

    Raises:
        InsufficientMemory: The fit would not fit into the available memory.
    """

    def __init__(
        self,
        features: Mapping[str, NDArray[Any]],
        targets: NDArray[np.float64],
        progress: Callable[[float], object] = lambda fraction: None,
        parameters: Mapping[str, Tensor] | None = None,
        seed: int = 0,
        steps: int = STEPS,
        priors: Mapping[str, GroupPrior] | None = None,
    ):
        # A constant column distinguishes nothing, and has no deviation to divide by.
        varied = {
            name: np.flatnonzero(np.ptp(values, axis=0) > _MIN_SPREAD)
            for name, values in features.items()
        }
        self.columns = {name: columns for name, columns in varied.items() if len(columns)}
        self.sizes = [len(columns) for columns in self.columns.values()]
        self.priors = [(priors or {}).get(name) for name in self.columns]
        raw = self._raw(features)
        self.mean = raw.mean(0)
        self.deviation = torch.maximum(raw.std(0), self._min_deviation())
        self.inputs = (raw - self.mean) / self.deviation
        self.targets = torch.from_numpy(targets)
        self._check_memory(needs_fit=parameters is None)
        self.parameters = (
            dict(parameters) if parameters is not None else self._fit(progress, seed, steps)
        )
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

    def _fit(self, progress: Callable[[float], object], seed: int, steps: int) -> dict[str, Tensor]:
        """Return the parameters of the greatest penalised likelihood, found by Adam."""
        initial = initial_parameters(self.sizes or [1], self.priors)
        strengths = self._penalty_strengths()
        parameters = {name: value.clone().requires_grad_() for name, value in initial.items()}

        rows = torch.arange(len(self.inputs))
        if len(rows) > _LIKELIHOOD_ROWS:
            order = np.random.default_rng(seed).permutation(len(rows))
            rows = torch.from_numpy(np.sort(order[:_LIKELIHOOD_ROWS]))
        targets = self.targets[rows]

        # Single precision for what takes the time, the kernels of all pairs; the noise keeps the
        # decomposition, in double precision, far from singular.
        inputs = self.inputs[rows].float()
        # Computed once, since they do not depend on the parameters.
        distances = group_distances(inputs, inputs, self.sizes)
        optimizer = torch.optim.Adam(parameters.values(), lr=_LEARNING_RATE)
        for step in range(steps):
            single = {name: value.float() for name, value in parameters.items()}
            kernel = covariance(inputs, inputs, distances, single)
            noise = parameters["noise"].exp()
            matrix = kernel.detach().double()
            matrix.diagonal().add_(noise.detach() + _JITTER)
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(matrix))
            solved = inverse @ targets

            # The gradient of -log p(targets) by the covariance; Rasmussen and Williams (2006),
            # equation 5.9. Autograd would go through the decomposition, which takes longer.
            gradient = 0.5 * (inverse - solved[:, None] * solved)
            penalty = torch.stack(
                [
                    (strengths[name] * (parameters[name] - initial[name]).square()).sum()
                    for name in parameters
                ]
            ).sum()
            optimizer.zero_grad()
            torch.autograd.backward(
                [kernel, noise, penalty],
                [gradient.float(), gradient.diagonal().sum(), torch.ones_like(penalty)],
            )
            optimizer.step()
            progress((step + 1) / steps)

        return {name: value.detach() for name, value in parameters.items()}

    def _penalty_strengths(self) -> dict[str, Tensor]:
        """Return the factors of the squared differences of each kind of parameters."""
        strengths = {
            name: torch.tensor(factor, dtype=torch.double) for name, factor in _PENALTY.items()
        }
        has_prior = torch.tensor([prior is not None for prior in self.priors or [None]])
        for name in ("lengths", "amplitudes"):
            strengths[name] = torch.where(has_prior, _PRIOR_PENALTY, strengths[name])
        return strengths

    def _check_memory(self, needs_fit: bool) -> None:
        # Before the first step: afterwards torch's allocator fails, or the system ends the process.
        available = available_bytes()
        if available is None:
            return

        count = len(self.inputs)
        fit_bytes = _STEP_BYTES_PER_GROUP * len(self.sizes) + _STEP_BYTES if needs_fit else 0
        needed = max(fit_bytes * min(count, _LIKELIHOOD_ROWS) ** 2, _SOLVE_BYTES * count**2)
        if needed > available:
            most = math.isqrt(available // _SOLVE_BYTES)
            if fit_bytes * min(most, _LIKELIHOOD_ROWS) ** 2 > available:
                most = math.isqrt(available // fit_bytes)
            raise InsufficientMemory(
                f"a Gaussian process on {count} architectures needs about {needed / 1e9:.1f} GB of"
                f" memory, of which {available / 1e9:.1f} GB are available; train on at most"
                f" {most}, or take another predictor, such as gates or forest"
            )

    def _solve(self) -> None:
        """Compute everything of a prediction that does not depend on its features.

        `log_likelihood` is that of all targets; `left_out_mean` and `left_out_deviation` [n]
        predict each row from all others. The
        covariance of n rows is decomposed and inverted in its own memory: 8 n^2 bytes, and 4 n^2
        more for the inverse that predictions use.
        """
        matrix = self._covariance_with_noise()

        # LAPACK reads columns first: the transpose of a symmetric matrix is itself.
        factor, failed = lapack.dpotrf(matrix.T, lower=True, clean=False, overwrite_a=True)
        if failed:
            raise ValueError("the covariance of the Gaussian process is not positive definite")
        log_determinant = 2 * float(np.log(np.diagonal(factor)).sum())
        solved, _ = lapack.dpotrs(factor, self.targets.numpy(), lower=True)
        inverse, _ = lapack.dpotri(factor, lower=True, overwrite_c=True)
        _mirror(inverse)

        # Rasmussen and Williams (2006), equation 5.8.
        count = len(self.targets)
        square = float(self.targets.numpy() @ solved)
        self.log_likelihood = -0.5 * (square + log_determinant + count * math.log(2 * math.pi))

        # Rasmussen and Williams (2006), equations 5.10 to 5.12.
        variance = 1 / np.diagonal(inverse)
        self.left_out_mean = self.targets.numpy() - variance * solved
        self.left_out_deviation = np.sqrt(variance)

        self.solved = torch.from_numpy(np.ascontiguousarray(solved))
        # Single precision is enough to rank and takes half the time.
        self.inverse = torch.from_numpy(inverse.astype(np.float32, order="C"))
        self.prior = float(
            self.parameters["together"].exp() + self.parameters["amplitudes"].exp().sum()
        )

    def _covariance_with_noise(self) -> NDArray[np.float64]:
        """Return the covariance [n, n] of the targets, noise included."""
        count = len(self.inputs)
        matrix = np.empty((count, count))
        for start in range(0, count, _BLOCK):
            block = self.inputs[start : start + _BLOCK]
            distances = group_distances(block, self.inputs, self.sizes)
            rows = covariance(block, self.inputs, distances, self.parameters)
            matrix[start : start + _BLOCK] = rows.numpy()
        matrix[np.diag_indices(count)] += float(self.parameters["noise"].exp()) + _JITTER
        return matrix

    def predict(
        self, features: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict targets.

        Args:
            features: Group -> float array [n, features], as for the fit.

        Returns:
            Mean [n] and deviation [n], noise included.
        """
        train_inputs = self.inputs.float()
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
            variances.append(self.prior - ((across @ self.inverse) * across).sum(1).double())

        mean = torch.cat(means)
        noise = float(self.parameters["noise"].exp())
        # Rounding can make the variance at a training architecture negative.
        variance = torch.cat(variances).clamp_min(0) + noise
        return mean.numpy(), variance.sqrt().numpy()


def _mirror(matrix: NDArray[np.float64]) -> None:
    """Copy the lower triangle of a square matrix to the upper one, in place and by blocks."""
    count = len(matrix)
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        diagonal = matrix[start:stop, start:stop]
        diagonal[:] = np.tril(diagonal) + np.tril(diagonal, -1).T
        matrix[start:stop, stop:] = matrix[stop:, start:stop].T
