"""An exact Gaussian process on arrays, its parameters by penalised likelihood."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from predictor.features.groups import COUNTS
from predictor.gaussian.kernel import covariance, group_distances, start

_JITTER = 1e-5
_LEAST_SPREAD = 1e-6
_LEAST_OF_COUNTS = 0.35
_STEPS, _RATE = 120, 0.06
_PENALTY = {"lengths": 0.05, "amplitudes": 0.05, "weights": 1.5, "together": 0.05, "noise": 0.05}
_CHUNK = 4096


class ExactProcess:
    """Fitted on features in groups and on targets of mean 0 and deviation about 1.

    Args:
        features: group -> float array [n, f]; columns that are constant are left out.
        targets: [n].
        told: called with the share of the fit that is done.
    """

    def __init__(
        self,
        features: Mapping[str, NDArray[Any]],
        targets: NDArray[np.float64],
        told: Callable[[float], object] = lambda share: None,
        parameters: Mapping[str, Tensor] | None = None,
    ):
        varied = {
            name: np.flatnonzero(np.ptp(values, axis=0) > _LEAST_SPREAD)
            for name, values in features.items()
        }
        self.columns = {name: columns for name, columns in varied.items() if len(columns)}
        self.sizes = [len(columns) for columns in self.columns.values()]
        raw = self._raw(features)
        self.mean, self.deviation = raw.mean(0), torch.maximum(raw.std(0), self._floor())
        self.inputs = (raw - self.mean) / self.deviation
        self.targets = torch.from_numpy(targets)
        self.parameters = dict(parameters) if parameters is not None else self._fit(told)
        self._solve()

    def _raw(self, features: Mapping[str, NDArray[Any]]) -> Tensor:
        parts = [
            np.asarray(features[name], dtype=np.float64)[:, columns]
            for name, columns in self.columns.items()
        ]
        rows = len(next(iter(features.values())))
        return torch.from_numpy(np.concatenate(parts, axis=1) if parts else np.zeros((rows, 0)))

    def _floor(self) -> Tensor:
        # A count that hardly ever differs must not put the architectures where it does far away
        # from all others.
        floors = [_LEAST_OF_COUNTS if name in COUNTS else _LEAST_SPREAD for name in self.columns]
        return (
            torch.tensor(floors)
            .double()
            .repeat_interleave(torch.tensor(self.sizes, dtype=torch.int64))
        )

    def _fit(self, told: Callable[[float], object]) -> dict[str, Tensor]:
        begin = start(self.sizes or [1])
        found = {name: value.clone().requires_grad_() for name, value in begin.items()}
        distances = group_distances(self.inputs, self.inputs, self.sizes)
        optimizer = torch.optim.Adam(found.values(), lr=_RATE)
        for step in range(_STEPS):
            matrix = self._matrix(distances, found)
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(matrix.detach()))
            solved = inverse @ self.targets
            # The gradient of -log p(targets) by the covariance; Rasmussen and Williams (2006),
            # equation 5.9.
            gradient = 0.5 * (inverse - solved[:, None] * solved)
            drawn = torch.stack(
                [_PENALTY[name] * (found[name] - begin[name]).square().sum() for name in found]
            ).sum()
            optimizer.zero_grad()
            torch.autograd.backward([matrix, drawn], [gradient, torch.ones_like(drawn)])
            optimizer.step()
            told((step + 1) / _STEPS)
        return {name: value.detach() for name, value in found.items()}

    def _matrix(self, distances: Sequence[Tensor], parameters: Mapping[str, Tensor]) -> Tensor:
        """The covariance of the targets, noise included: [n, n]."""
        matrix = covariance(self.inputs, self.inputs, distances, parameters)
        noise = parameters["noise"].exp() + _JITTER
        return matrix + noise * torch.eye(len(matrix), dtype=matrix.dtype)

    def _solve(self) -> None:
        matrix = self._matrix(
            group_distances(self.inputs, self.inputs, self.sizes), self.parameters
        )
        self.inverse = torch.cholesky_inverse(torch.linalg.cholesky(matrix))
        self.solved = self.inverse @ self.targets
        self.prior = float(
            self.parameters["together"].exp() + self.parameters["amplitudes"].exp().sum()
        )

    def left_out(self) -> NDArray[np.float64]:
        """What the process predicts for each target without it, in closed form: [n]."""
        return np.asarray(self.targets - self.solved / self.inverse.diagonal())

    def predict(
        self, features: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean [n] and deviation [n], noise included, of features as given to the fit."""
        raw = self._raw(features)
        means, variances = [], []
        # Half the digits are enough to rank by, and take half the time.
        known, inverse = self.inputs.float(), self.inverse.float()
        parameters = {name: value.float() for name, value in self.parameters.items()}
        noise = float(self.parameters["noise"].exp())
        for part in (
            ((raw - self.mean) / self.deviation)
            .float()
            .tensor_split(list(range(_CHUNK, len(raw), _CHUNK)))
        ):
            across = covariance(part, known, group_distances(part, known, self.sizes), parameters)
            means.append(across.double() @ self.solved)
            variances.append(self.prior - ((across @ inverse) * across).sum(1).double())
        mean, variance = torch.cat(means), torch.cat(variances).clamp_min(0) + noise
        return mean.numpy(), variance.sqrt().numpy()
