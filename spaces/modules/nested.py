"""Tensors in nested tuples, lists and dictionaries."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors of a value: itself, or those in its lists, tuples and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)


def mapped(value: Any, function: Callable[[Tensor], Any]) -> Any:
    """Return a value with a function applied to its tensors, or to those in its containers.

    Args:
        value: Tensor, or nested lists, tuples and dictionaries; other values stay as they are.
        function: Maps a tensor to its replacement.
    """
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(item, function) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(mapped(item, function) for item in value)
    if isinstance(value, dict):
        # A copy, since the constructor of a subclass may take other arguments.
        result = copy.copy(value)
        for key, item in value.items():
            result[key] = mapped(item, function)
        return result
    return value


def arranged(value: Any, like: Any) -> Any:
    """Return a value with the keys of its dictionaries in the order of another one's.

    Args:
        value: Nested tuples, lists and dictionaries of tensors.
        like: Value with the same keys.

    Example:
        >>> arranged({"mask": 1, "tokens": 2}, {"tokens": 0, "mask": 0})
        {'tokens': 2, 'mask': 1}
    """
    if isinstance(value, Mapping):
        return {key: arranged(value[key], item) for key, item in like.items()}
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        return type(value)(map(arranged, value, like))
    return value


def batch_size(value: Any) -> int:
    """Return the number of rows of a value's tensors, [n, ...] each; 0 where it has none.

    Args:
        value: Tensor, or nested lists, tuples and dictionaries of tensors.

    Example:
        >>> import torch
        >>> batch_size({"tokens": torch.zeros(3, 7), "mask": torch.zeros(3, 7)})
        3
    """
    return next((len(tensor) for tensor in tensors_in(value)), 0)


class TensorArguments(nn.Module):
    """A network that takes the tensors of its inputs one by one, as exporters to ONNX need them.

    Args:
        network: Network that takes a tensor, or nested tuples and dictionaries.
        inputs: Inputs whose structure, and whose values other than tensors, each run has.
    """

    def __init__(self, network: nn.Module, inputs: Any):
        super().__init__()
        self.network = network
        self._inputs = inputs

    def forward(self, *tensors: Tensor) -> Any:
        remaining = iter(tensors)
        return self.network(mapped(self._inputs, lambda _: next(remaining)))


class TensorOutputs(nn.Module):
    """A network that returns the tensors of its outputs, without those that are None.

    Args:
        network: Network that returns a tensor, or nested tuples and dictionaries.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensors_in(self.network(*inputs)))


def with_tensor_arguments(network: nn.Module, inputs: Any) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Return a network that takes tensors only, and these tensors.

    Args:
        network: Network that takes a tensor, or nested tuples and dictionaries.
        inputs: Inputs of the network.
    """
    if isinstance(inputs, Tensor):
        return network, (inputs,)
    return TensorArguments(network, inputs), tuple(tensors_in(inputs))
