"""Features of layers by their widths, from which a latency is fitted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spaces.elastic.counting import Layer, Size

Array = NDArray[np.float64]

# A number that is read or written takes about as long as so many multiply-accumulates.
_MACS_OF_A_NUMBER = 16
# Expected fractions of a layer's latency: of its start, its input, its output and its products.
_START, _INPUT, _OUTPUT, _PRODUCTS = 0.15, 0.1, 0.15, 0.6

# Expected latency outside of all layers, as a fraction of the network's.
_FIXED = 0.02


def width_features(
    layers: Sequence[Layer], codes: NDArray[np.signedinteger], steps: NDArray[np.int64]
) -> Array:
    """Return features of networks that a latency is a sum of, with non-negative coefficients.

    Of each kind of layer they are: how many run, the widths of their inputs and of their outputs,
    and the products of both, which count its multiply-accumulates. All grow with the widths. Each
    is scaled by the fraction of the original's latency that is expected of it, so that all
    coefficients are about the original's latency.

    Args:
        layers: Modules with weights or products.
        codes: Codes [n, choices].
        steps: Reductions [n, choices]; see `counting.Size`.

    Returns:
        Float array [n, features]; the first feature is constant.
    """
    expected = np.array([_expected_cost(layer) for layer in layers], dtype=float)
    expected /= expected.sum()
    columns: dict[tuple[object, ...], Array] = {("fixed",): np.full(len(codes), _FIXED)}

    for layer, fraction in zip(layers, expected, strict=True):
        runs = layer.present(codes).astype(float)
        before = _fraction(layer.input, steps)
        after = _fraction(layer.output, steps)
        terms = {"start": (_START, runs), "input": (_INPUT, before), "output": (_OUTPUT, after)}
        if layer.macs:
            terms["products"] = (_PRODUCTS, layer.count_macs(steps) / layer.macs)

        # Layers of one configuration and one size take equally long wherever they are.
        kind = layer.name, layer.configuration, _full(layer.input), _full(layer.output)
        for name, (weight, values) in terms.items():
            key = (*kind, name)
            columns[key] = columns.get(key, 0.0) + fraction * weight * runs * values
    return np.stack(list(columns.values()), axis=1)


def _expected_cost(layer: Layer) -> float:
    numbers = math.prod(_full(layer.input)) + math.prod(_full(layer.output))
    return layer.macs + _MACS_OF_A_NUMBER * numbers


def _full(sizes: Sequence[Size]) -> tuple[int, ...]:
    return tuple(size.full for size in sizes)


def _fraction(sizes: Sequence[Size], steps: NDArray[np.int64]) -> Array:
    """Return a tensor's numbers [n] as a fraction of those in the original."""
    result = np.ones(len(steps))
    for size in sizes:
        if size.terms:
            result *= size.values(steps) / size.full
    return result
