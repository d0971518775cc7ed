"""What a runtime computes, next to torch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import spaces
from profiler.backends.base import Conditions
from profiler.backends.torch_eager import unit_variance
from spaces.modules.nested import tensors_in


def check_computes_what_torch_does(make_backend: Callable[[Conditions], Any], name: str) -> None:
    """Run a random network of a space by a backend and by torch, with the same weights."""
    space = spaces.get(name)
    architecture = space.architecture(space.sample(np.random.default_rng(0), 1)[0])

    runner = make_backend(Conditions("cpu", batch=2, seed=3)).network_runner(space, architecture)
    assert runner.whole() > 0

    network = space.network(architecture).eval()
    image = space.random_input(architecture, 2, torch.Generator().manual_seed(3))
    with torch.no_grad():
        unit_variance(network, torch.Generator().manual_seed(3))
        expected = [tensor.numpy() for tensor in tensors_in(network(image))]
    for output, values in zip(runner.outputs(), expected, strict=True):
        np.testing.assert_allclose(
            output, values, rtol=1e-3, atol=1e-4 * float(np.abs(values).max())
        )
