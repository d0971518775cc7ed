"""A recurrent correction: an LSTM reads the blocks' costs in their order.

The performance model `lstm` of aw_nas (walkerning/aw_nas, aw_nas/hardware) reads seven features of
each block with 100 channels for 3000 epochs. Here a block has its cost and its position, which
tables of all spaces know, and the residuals of the block sums are learned rather than latencies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_CHANNELS = 32
_EPOCHS = 200
_LEARNING_RATE = 1e-2
_WEIGHT_DECAY = 1e-3


def fit_recurrent(block_costs: Array, values: Array, seed: int) -> Callable[[Array], Array]:
    """Fit an LSTM to the residuals of the block sums.

    Args:
        block_costs: Contributions [n, blocks] to the block sums, in the order of the choices.
        values: Measured costs [n].
        seed: Seed of its weights.

    Returns:
        A function of contributions [m, blocks] that returns costs [m].
    """
    import torch

    from spaces.threads import fixed_threads

    residuals = values - block_costs.sum(1)
    centre = float(residuals.mean())
    scale = float(residuals.std()) or 1.0
    means = block_costs.mean(0)
    # A block that all networks have tells nothing.
    deviations = np.where(block_costs.std(0) > 0, block_costs.std(0), 1.0)

    def inputs(costs: Array) -> Any:
        standardised = (costs - means) / deviations
        position = np.broadcast_to(np.linspace(-1, 1, costs.shape[1]), costs.shape)
        return torch.from_numpy(np.stack([standardised, position], axis=2)).float()

    # One thread, since the last digit of a product depends on their number.
    with torch.random.fork_rng(devices=[]), fixed_threads(1):
        torch.default_generator.manual_seed(seed)
        lstm = torch.nn.LSTM(2, _CHANNELS, batch_first=True)
        head = torch.nn.Linear(_CHANNELS, 1)

        def score(costs: Array) -> Any:
            states, _ = lstm(inputs(costs))
            return head(states[:, -1]).squeeze(1)

        optimizer = torch.optim.AdamW(
            [*lstm.parameters(), *head.parameters()], _LEARNING_RATE, weight_decay=_WEIGHT_DECAY
        )
        targets = torch.from_numpy((residuals - centre) / scale).float()
        for _ in range(_EPOCHS):
            optimizer.zero_grad()
            torch.autograd.backward((score(block_costs) - targets).square().mean())
            optimizer.step()

    def predict(costs: Array) -> Array:
        with torch.inference_mode(), fixed_threads(1):
            correction = score(costs).double().numpy()
        return np.asarray(costs.sum(1) + centre + scale * correction, dtype=float)

    return predict
