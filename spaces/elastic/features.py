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

# Blocks of output channels that a kernel of a runtime computes together.
_BLOCKS_TOGETHER = 4


def width_features(
    layers: Sequence[Layer],
    codes: NDArray[np.signedinteger],
    steps: NDArray[np.int64],
    block: int = 1,
    originals: Sequence[Layer] | None = None,
) -> Array:
    """Return features of networks that a latency is a sum of, with non-negative coefficients.

    Of each kind of layer they are: how many run, the widths of their inputs and of their outputs,
    and the products of both, which count its multiply-accumulates. All grow with the widths. Each
    is scaled by the fraction of the original's latency that is expected of it, so that all
    coefficients are about the original's latency.

    Runtimes compute channels in blocks, such as onnxruntime's NCHWc of 16 with AVX-512: there 24
    channels take as long as 32. With blocks the widths rounded up to them are features as well.

    Args:
        layers: Modules with weights or products.
        codes: Codes [n, choices].
        steps: Reductions [n, choices]; see `counting.Size`.
        block: Number of channels that the widths are rounded up to; 1: they are not.
        originals: The same modules at the input size of the original, whose latency coefficients
            are about; None: they are `layers`.

    Returns:
        Float array [n, features]; the first feature is constant.
    """
    originals = layers if originals is None else originals
    expected = np.array([_expected_cost(layer) for layer in originals], dtype=float)
    expected /= expected.sum()
    columns: dict[tuple[object, ...], Array] = {("fixed",): np.full(len(codes), _FIXED)}

    for layer, original, fraction in zip(layers, originals, expected, strict=True):
        runs = layer.present(codes).astype(float)
        terms = _width_terms(layer, original, steps)
        if block > 1:
            # Both halves together are expected to be the layer's latency.
            exact = {name: (weight / 2, values) for name, (weight, values) in terms.items()}
            terms = exact | _width_terms(layer, original, steps, block)
        terms["start"] = _START, runs

        # Layers of one configuration and one size take equally long wherever they are. At another
        # input size they have the same coefficients, of features with fewer pixels.
        kind = layer.name, layer.configuration, _full(original.input), _full(original.output)
        for name, (weight, values) in terms.items():
            key = (*kind, name)
            columns[key] = columns.get(key, 0.0) + fraction * weight * runs * values
    return np.stack(list(columns.values()), axis=1)


def _width_terms(
    layer: Layer, original: Layer, steps: NDArray[np.int64], block: int = 1
) -> dict[str, tuple[float, Array]]:
    """Return the terms of a layer that grow with its widths: name -> weight and values [n]."""
    scale = 1.0 if block == 1 else 0.5
    suffix = "" if block == 1 else " in blocks"
    before = _fraction(layer.input, original.input, steps, block)
    after = _fraction(layer.output, original.output, steps, block)
    terms = {
        f"input{suffix}": (scale * _INPUT, before),
        f"output{suffix}": (scale * _OUTPUT, after),
    }
    if not layer.macs:
        return terms

    if block == 1:
        terms["products"] = (_PRODUCTS, layer.count_macs(steps) / original.macs)
        return terms

    # Sides of kernels come after both widths, and are not computed in blocks.
    outputs, inputs, sides = layer.factors[:1], layer.factors[1:2], layer.factors[2:]
    others = _fraction(inputs, inputs, steps, block) * _fraction(sides, sides, steps)
    others *= layer.macs / original.macs
    for name, size in ((suffix, block), (f"{suffix} together", _BLOCKS_TOGETHER * block)):
        products = _fraction(outputs, outputs, steps, size) * others
        terms[f"products{name}"] = (scale * _PRODUCTS / 2, products)
    return terms


def _expected_cost(layer: Layer) -> float:
    numbers = math.prod(_full(layer.input)) + math.prod(_full(layer.output))
    return layer.macs + _MACS_OF_A_NUMBER * numbers


def _full(sizes: Sequence[Size]) -> tuple[int, ...]:
    return tuple(size.full for size in sizes)


def _fraction(
    sizes: Sequence[Size], originals: Sequence[Size], steps: NDArray[np.int64], block: int = 1
) -> Array:
    """Return a tensor's numbers [n], its widths rounded up, as a fraction of the original's."""
    result = np.ones(len(steps))
    for size, original in zip(sizes, originals, strict=True):
        if size.terms:
            # Negated twice, since // rounds down.
            result *= (-size.values(steps) // block) / (-original.full // block)
        elif size.full != original.full:
            # Pixels, or tokens, of another input size.
            result *= size.full / original.full
    return result
