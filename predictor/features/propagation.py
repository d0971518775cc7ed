"""Closed forms of how signals pass through cells with random weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from predictor.encoders.dense_graphs import DenseGraphs
from predictor.features.labels import Labels

# Side of a kernel in the name of an operation, such as `nor_conv_3x3`.
_KERNEL = re.compile(r"(\d+)x\1")
_POOLING = re.compile(r"pool")
# Amplitude of a signal after pooling: the mean of neighbours that are alike in part.
_POOLED_AMPLITUDE = 0.7
# Correlations of two images in front of the first cell.
_CORRELATIONS = (0.0, 0.5)
# Numbers of equal cells in a row after which the correlations are features.
_CELLS = (1, 4)


def propagation(
    graphs: DenseGraphs, labels: Labels, operations: Sequence[str]
) -> NDArray[np.float32]:
    r"""Compute features of the signals in cells whose weights are random.

    An operation with weights normalises its input, multiplies it by random weights and rectifies
    it. Two images whose signals have the correlation c have the correlation

    .. math::
        \kappa(c) = \frac{\sqrt{1 - c^2} + c (\pi - \arccos c)}{\pi}

    after it (Cho and Saul, 2009, equation 6), and signals of different operations are uncorrelated
    (Poole et al., 2016). Skip connections and pooling pass signals on: along parallel ones the
    amplitudes of one signal add up, while of different signals the variances do. The features
    describe how fast a cell makes different images alike, and which depth and which kernels the
    signal at its output has passed.

    Args:
        graphs: n graphs in topological order.
        labels: Sets of operations.
        operations: Names of the operations, in the order of their labels.

    Returns:
        Float array [n, 11]: correlations after 1 and after 4 cells, of images with the correlations
        0 and .5; the logarithm of the output's variance; mean and deviation of the depth; the mean
        number of kernels beyond 1; the fraction of the variance that comes from the input directly;
        whether no signal arrives; and the concentration of the variance on few operations.

    Example:
        >>> import numpy as np
        >>> import spaces
        >>> from predictor.encoders.dense_graphs import DenseGraphs
        >>> from predictor.features.labels import Labels
        >>> from predictor.features.propagation import propagation
        >>> space = spaces.get("nasbench201")
        >>> codes = space.sample(np.random.default_rng(0), 5)
        >>> graphs = DenseGraphs.from_batch(space.graphs(codes)).in_topological_order()
        >>> labels = Labels.from_operations(space.operations)
        >>> propagation(graphs, labels, space.operations).shape
        (5, 11)
    """
    is_input = graphs.is_input.numpy()
    flow = _flow(graphs, labels, operations)
    is_spatial = np.array([False, *map(_has_spatial_kernel, operations)])
    spatial = is_spatial[graphs.operation.numpy()]

    depth = np.zeros(is_input.shape)
    kernels = np.zeros(is_input.shape)
    for node in range(is_input.shape[1]):
        fractions = flow.fractions[:, node]
        depth[:, node] = ~is_input[:, node] * (_mean(fractions, depth) + 1)
        kernels[:, node] = ~is_input[:, node] * (_mean(fractions, kernels) + spatial[:, node])

    output = flow.output_fractions
    mean_depth = _mean(output, depth)
    has_signal = flow.output_variance > 0
    columns = [
        *_correlations(flow, is_input),
        np.log(np.where(has_signal, flow.output_variance, 1.0)),
        mean_depth,
        np.sqrt(np.maximum(_mean(output, depth**2) - mean_depth**2, 0)),
        _mean(output, kernels),
        _mean(output, is_input),
        ~has_signal,
        np.square(output).sum(1),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


class _Flow(NamedTuple):
    """Where the variance of the signals in cells comes from: inputs and operations with weights.

    Args:
        fractions: Fraction of the variance in front of each node (the second index) that comes from
            each source (the third), [n, nodes, nodes]; 0 where no signal arrives.
        output_fractions: The same at the output, [n, nodes].
        output_variance: Variance at the output, [n]; 1 for the signal of one source.
    """

    fractions: NDArray[np.float64]
    output_fractions: NDArray[np.float64]
    output_variance: NDArray[np.float64]


def _flow(graphs: DenseGraphs, labels: Labels, operations: Sequence[str]) -> _Flow:
    """Follow the amplitudes of all sources, node by node in topological order."""
    operation = graphs.operation.numpy()
    incoming = graphs.incoming.numpy()
    is_input = graphs.is_input.numpy()
    count, nodes = operation.shape

    is_pooling = np.array([False, *(bool(_POOLING.search(name)) for name in operations)])
    has_weights = np.isin(np.arange(len(is_pooling)), labels.solid) & ~is_pooling
    passed_amplitude = np.where(is_pooling, _POOLED_AMPLITUDE, 1.0) * ~has_weights

    amplitudes = np.zeros((count, nodes, nodes))
    fractions = np.zeros((count, nodes, nodes))
    for node in range(nodes):
        arriving = np.matmul(incoming[:, node, None], amplitudes)[:, 0]
        variance = np.square(arriving).sum(1)
        fractions[:, node] = _fractions(arriving, variance)

        # An operation without a signal in front of it is no source.
        is_source = is_input[:, node] | (has_weights[operation[:, node]] & (variance > 0))
        amplitudes[:, node] = passed_amplitude[operation[:, node], None] * arriving
        amplitudes[:, node, node] = is_source

    leaving = np.where(graphs.is_end.numpy()[:, :, None], amplitudes, 0).sum(1)
    variance = np.square(leaving).sum(1)
    return _Flow(fractions, _fractions(leaving, variance), variance)


def _fractions(
    amplitudes: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Divide the squares of amplitudes [n, sources] by their sum [n]; 0 where that is 0."""
    positive = np.where(variance > 0, variance, 1.0)
    return np.asarray(np.square(amplitudes) / positive[:, None])


def _correlations(flow: _Flow, is_input: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return the correlations [n] of images after cells, by initial correlation and cells."""
    has_signal = flow.output_variance > 0
    columns = []
    for initial in _CORRELATIONS:
        arriving = np.full(len(is_input), initial)
        for cell in range(1, max(_CELLS) + 1):
            inside = np.zeros(is_input.shape)
            for node in range(is_input.shape[1]):
                after = _rectified_correlation(_mean(flow.fractions[:, node], inside))
                inside[:, node] = np.where(is_input[:, node], arriving, after)

            # Without a signal all images are alike.
            arriving = np.where(has_signal, _mean(flow.output_fractions, inside), 1.0)
            if cell in _CELLS:
                columns.append(arriving)
    return columns


def _rectified_correlation(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlation [n] after random weights and rectification."""
    # Rounding can lead beyond 1.
    bounded = np.clip(correlation, -1, 1)
    angle = np.arccos(bounded)
    return np.asarray((np.sqrt(1 - bounded**2) + bounded * (np.pi - angle)) / np.pi)


def _mean(fractions: NDArray[np.float64], values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean [n] of values [n, sources] with the weights `fractions` [n, sources]."""
    return np.asarray((fractions * values).sum(1))


def _has_spatial_kernel(name: str) -> bool:
    match = _KERNEL.search(name)
    return match is not None and int(match[1]) > 1
