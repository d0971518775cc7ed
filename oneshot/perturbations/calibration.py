"""Ranges of activations on training images, where a runtime would quantise them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from oneshot.perturbations.layers import LAYERS
from oneshot.perturbations.rounding import range_of
from spaces.modules.nested import tensors_in

Range = tuple[Tensor, Tensor]
"""Least and greatest value, with 0 between them."""

# Runtimes store the outputs of pooling on the grid of its inputs.
_POOLS = (nn.AvgPool2d, nn.MaxPool2d)

_OTHERS = (
    _BatchNorm,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.LeakyReLU,
    nn.PReLU,
    nn.ReLU,
    nn.ReLU6,
    nn.Sigmoid,
    nn.SiLU,
)

# Runtimes compute these together with the operator before them, whose own output is never stored.
_RECTIFIERS = {"relu", "relu_", "relu6", "hardtanh", "hardtanh_"}
_NORMALISATIONS = {"batch_norm"}

_JOINS = {"add", "add_", "__add__", "__radd__", "__iadd__", "cat"}
"""Functions that join branches; no module computes them, so that they have no hooks."""


@dataclass
class ActivationRanges:
    """Ranges of a network's activations on images.

    Args:
        inputs: Name of a layer or pooling -> range of its inputs.
        outputs: Name of a module -> range of its outputs, for those that a runtime stores: not
            those that nothing but a rectifier, or batch normalisation after a layer, reads.
        joins: Number of an addition or concatenation in a forward pass -> range of its output, for
            those that a runtime stores.

    Example:
        >>> model = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
        >>> ranges = ActivationRanges.of_model(model, [torch.ones(1, 1)], model)
        >>> list(ranges.inputs), list(ranges.outputs)
        (['0'], ['1'])
    """

    inputs: dict[str, Range] = field(default_factory=dict)
    outputs: dict[str, Range] = field(default_factory=dict)
    joins: dict[int, Range] = field(default_factory=dict)

    @classmethod
    @torch.no_grad()
    def of_model(
        cls, model: nn.Module, batches: Sequence[Any], forward: Callable[[Any], Any]
    ) -> ActivationRanges:
        """Return the ranges of a model on images.

        Args:
            model: Model in evaluation mode, with its path active.
            batches: Inputs of images on the model's device.
            forward: Function inputs -> outputs that runs the model.
        """
        ranges = cls()
        kinds = (*LAYERS, *_POOLS, *_OTHERS)
        modules = {
            name: module for name, module in model.named_modules() if isinstance(module, kinds)
        }
        for batch in batches:
            with _Recorder(ranges) as recorder, ExitStack() as stack:
                for name, module in modules.items():
                    hooks = recorder.hooks(name, module)
                    stack.callback(module.register_forward_pre_hook(hooks[0]).remove)
                    stack.callback(module.register_forward_hook(hooks[1]).remove)
                forward(batch)
            recorder.remove_fused(modules)
        return ranges


class _Recorder(TorchFunctionMode):
    """Context of one forward pass that widens ranges and records what reads each tensor.

    Args:
        ranges: Ranges that are widened.
    """

    def __init__(self, ranges: ActivationRanges):
        super().__init__()
        self.ranges = ranges
        # Tensors are held until the end of the pass, so that no two have the same identity.
        self.producers: dict[int, tuple[str | int, Tensor]] = {}
        self.readers: dict[int, set[str]] = {}
        self.num_joins = 0
        self.is_paused = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run a function, and record what it reads."""
        result = func(*args, **(kwargs or {}))
        if self.is_paused or not isinstance(result, Tensor):
            return result

        for tensor in tensors_in(args):
            if tensor is not result:
                self.readers.setdefault(id(tensor), set()).add(func.__name__)
        if is_join(func, result):
            self._produce(self.num_joins, result)
            _widen(self.ranges.joins, self.num_joins, result)
            self.num_joins += 1
        return result

    def hooks(self, name: str, module: nn.Module) -> tuple[Callable[..., None], ...]:
        """Return the hooks before and after a module."""
        reads_range = isinstance(module, (*LAYERS, *_POOLS))

        def before(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            if reads_range:
                with self._pause():
                    _widen(self.ranges.inputs, name, inputs[0])

        def after(module: nn.Module, inputs: tuple[Any, ...], outputs: Tensor) -> None:
            with self._pause():
                values = inputs[0] if isinstance(module, _POOLS) else outputs
                _widen(self.ranges.outputs, name, values)
            self._produce(name, outputs)

        return before, after

    def remove_fused(self, modules: dict[str, nn.Module]) -> None:
        """Remove the ranges of outputs that a runtime does not store."""
        for identity, (producer, _) in self.producers.items():
            fusing = set(_RECTIFIERS)
            if isinstance(producer, str) and isinstance(modules[producer], LAYERS):
                fusing |= _NORMALISATIONS
            readers = self.readers.get(identity, set())
            if not readers or not readers <= fusing:
                continue
            if isinstance(producer, str):
                self.ranges.outputs.pop(producer, None)
            else:
                self.ranges.joins.pop(producer, None)

    def _produce(self, producer: str | int, output: Tensor) -> None:
        self.producers[id(output)] = producer, output

    @contextmanager
    def _pause(self) -> Iterator[None]:
        """Do not record what the ranges themselves read."""
        self.is_paused = True
        try:
            yield
        finally:
            self.is_paused = False


class RoundedJoins(TorchFunctionMode):
    """Context of one forward pass that rounds the outputs of additions and concatenations.

    Args:
        ranges: Number of an addition or concatenation in the pass -> range of its output.
        rounded: Function (output, range) -> rounded output.
    """

    def __init__(self, ranges: dict[int, Range], rounded: Callable[[Tensor, Range], Tensor]):
        super().__init__()
        self.ranges = ranges
        self.rounded = rounded
        self.num_joins = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run a function, and round the output of one that joins branches."""
        result = func(*args, **(kwargs or {}))
        if not is_join(func, result):
            return result

        limits = self.ranges.get(self.num_joins)
        self.num_joins += 1
        return result if limits is None else self.rounded(result, limits)


def is_join(func: Callable[..., Any], result: Any) -> bool:
    """Return whether a function joined branches of a network.

    Args:
        func: Function of torch.
        result: What it returned.
    """
    # Counters and losses are added too; features have a batch and channels.
    return (
        func.__name__ in _JOINS
        and isinstance(result, Tensor)
        and result.ndim > 1
        and result.is_floating_point()
    )


def _widen(ranges: dict[Any, Range], key: str | int, values: Tensor) -> None:
    """Extend the range of a key by the values of a batch."""
    low, high = range_of(values)
    if key in ranges:
        low = torch.minimum(low, ranges[key][0])
        high = torch.maximum(high, ranges[key][1])
    ranges[key] = low, high
