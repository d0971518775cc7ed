"""A predictor that is fitted in a millisecond, so that tests of the predictor loop test the
loop.
"""

from typing import Any

import numpy as np
import pytest

from oneshot.strategies.predictor_loop import PredictorLoop
from spaces import SearchSpace


class Light:
    """Bayesian linear regression on one-hot codes."""

    def __init__(self, space: SearchSpace):
        self.space = space

    def fit(self, codes: np.ndarray, values: np.ndarray) -> None:
        self.mean = float(np.mean(values))
        inputs = self.space.one_hot(codes)
        self.covariance = np.linalg.inv(inputs.T @ inputs / 0.01 + np.eye(inputs.shape[1]))
        self.weights = self.covariance @ inputs.T @ (values - self.mean) / 0.01

    def predict(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inputs = self.space.one_hot(codes)
        spread = np.einsum("ni,ij,nj->n", inputs, self.covariance, inputs)
        return inputs @ self.weights + self.mean, np.sqrt(spread)


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> type[Light]:
    """Stands for the space's default predictor; those that are named stay."""
    make = PredictorLoop._make_predictor

    def made(self: PredictorLoop, seed: int) -> Any:
        return Light(self.problem.space) if self.predictor == "default" else make(self, seed)

    monkeypatch.setattr(PredictorLoop, "_make_predictor", made)
    return Light
