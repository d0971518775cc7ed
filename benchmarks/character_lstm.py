"""torch's LSTM as the baseline of benchmarks that train networks of text."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from processor_time import stopwatch
from torch import Tensor, nn

from oneshot.data.images import ImageData
from oneshot.evaluation.evaluator import quality
from oneshot.retraining.report import report_on_test
from oneshot.tasks.language import Language
from oneshot.training.algorithm import Algorithm
from oneshot.training.fitting import fit
from oneshot.training.passes import Passes
from oneshot.training.recipe import Recipe


class Lstm(nn.Module):
    """torch's LSTM with scores that share the vectors of the tokens.

    Args:
        vocabulary: Number of different tokens.
        width: Features of the vectors and of the hidden state.
    """

    def __init__(self, vocabulary: int, width: int):
        super().__init__()
        self.vectors = nn.Embedding(vocabulary, width)
        self.recurrent = nn.LSTM(width, width, batch_first=True)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        nn.init.uniform_(self.vectors.weight, -0.1, 0.1)

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return scores [b, length, vocabulary] and the state, rows first."""
        before = None if state is None else tuple(part.transpose(0, 1) for part in state)
        hidden, after = self.recurrent(self.vectors(tokens), before)
        scores = nn.functional.linear(hidden, self.vectors.weight, self.bias)
        return scores, tuple(part.transpose(0, 1).contiguous() for part in after)


def lstm_width(vocabulary: int, params: int) -> int:
    """Return the greatest width of an LSTM with at most so many parameters."""
    width = 1
    while 8 * (width + 1) * (width + 2) + vocabulary * (width + 2) <= params:
        width += 1
    return width


@dataclass(frozen=True)
class LstmTraining:
    """Trainings of an LSTM on a text.

    Args:
        data: Text.
        recipe: Recipe, whose learning rate and updates are replaced.
        params: Most parameters of the LSTM.
        seed: Seed of weights and windows.
        folder: Folder of the trainings.
    """

    data: ImageData
    recipe: Recipe
    params: int
    seed: int
    folder: Path

    def train(self, rate: float, steps: int, name: str) -> tuple[nn.Module, float]:
        """Train an LSTM from new weights.

        Args:
            rate: Learning rate.
            steps: Number of updates.
            name: Name of the training's folder; an interrupted one resumes from it.

        Returns:
            The network and the processor time of its training in seconds.
        """
        torch.manual_seed(self.seed)
        vocabulary = self.data.num_classes
        network = Lstm(vocabulary, lstm_width(vocabulary, self.params))
        recipe = replace(self.recipe, learning_rate=rate, steps=steps)
        algorithm = Algorithm(network, recipe, Passes(Language()))
        folder = self.folder / f"lstm-{name}"
        with stopwatch(folder / "seconds.json", time.process_time) as watch:
            fit(algorithm, self.data.train, folder, seed=self.seed)
        return network, watch.seconds

    def best_rate(self, rates: Sequence[float], steps: int) -> tuple[float, float]:
        """Return the learning rate of the least validation loss, and the seconds of an update.

        Args:
            rates: Learning rates.
            steps: Number of updates of each training.
        """
        losses: dict[float, float] = {}
        seconds = 0.0
        for rate in rates:
            network, training_seconds = self.train(rate, steps, f"rate-{rate:g}-{steps}")
            seconds += training_seconds
            validation = quality(network, self.data.validation, task=Language())
            losses[rate] = validation["cross_entropy"]
        best = min(losses, key=lambda rate: losses[rate])
        return best, seconds / (steps * len(rates))

    def report(self, rate: float, steps: int, name: str) -> dict[str, Any]:
        """Train an LSTM, and return its report on the test part with its setting."""
        network, seconds = self.train(rate, steps, name)
        params = sum(value.numel() for value in network.parameters())
        setting = {"params": params, "steps": steps, "rate": rate, "seconds": seconds}
        return {**report_on_test(network, self.data, task=Language()), "name": name, **setting}
