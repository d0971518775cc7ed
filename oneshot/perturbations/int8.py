"""Weights and activations of few bits, computed in floats (fake quantisation)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from oneshot.perturbations.layers import layers_of, parametrised
from oneshot.perturbations.perturbation import Perturbation
from oneshot.perturbations.registry import register_perturbation
from oneshot.perturbations.rounding import (
    SCALES,
    check_bits,
    on_channel_grids,
    on_power_of_two_grid,
    on_range_grid,
    power_of_two_step,
    range_of,
)

Range = tuple[Tensor, Tensor]
"""Least and greatest value of a layer's inputs."""


@register_perturbation("int8")
class Int8(Perturbation):
    """Quantises weights and inputs of convolutions and linear layers: about 1.5 passes.

    Weights have a symmetric grid for each output channel, inputs one grid for the whole tensor, of
    which 0 is a number, as in onnxruntime's static quantisation (Jacob et al., CVPR 2018). In
    evaluations the ranges of inputs are those of training images; in a training, whose weights
    move, those of the batch. Gradients pass straight through.

    With `scale='power-of-two'` weights, biases and inputs have symmetric grids of whole tensors
    with the step 2^(ceil(log2 max|x|) - bits + 1), as in aw_nas.

    Args:
        bits: Number of bits of weights and inputs, from 2 to 16.
        scale: Step of a grid, `float` or `power-of-two`.

    Raises:
        InvalidOption: A value is out of its range.
    """

    def __init__(self, *, bits: int = 8, scale: str = "float") -> None:
        check_bits("int8", bits)
        if scale not in SCALES:
            raise InvalidOption(f"under int8: scale must be {' or '.join(SCALES)}, not {scale!r}")
        self.bits = bits
        self.scale = scale
        self.ranges: dict[str, Range] = {}

    @torch.no_grad()
    def calibrated(
        self, model: nn.Module, batches: Sequence[Any], forward: Callable[[Any], Any]
    ) -> Perturbation:
        """Return the perturbation with the ranges of inputs that the layers have on images."""
        ranges: dict[str, Range] = {}

        def observer(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
            def observe(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
                low, high = range_of(inputs[0])
                if name in ranges:
                    low = torch.minimum(low, ranges[name][0])
                    high = torch.maximum(high, ranges[name][1])
                ranges[name] = low, high

            return observe

        with ExitStack() as stack:
            for name, layer in layers_of(model, "int8").items():
                handle = layer.register_forward_pre_hook(observer(name))
                stack.callback(handle.remove)
            for batch in batches:
                forward(batch)

        result = copy.copy(self)
        result.ranges = ranges
        return result

    @contextmanager
    def around(
        self,
        model: nn.Module,
        inputs: Tensor,
        loss_at: Callable[[Tensor], Tensor],
        generator: torch.Generator,
    ) -> Iterator[Tensor]:
        """Quantise the layers that run within the context; inputs stay as they are."""
        layers = layers_of(model, "int8")
        ranges = {} if model.training else self.ranges
        power_of_two = self.scale == "power-of-two"
        tensors = ("weight", "bias") if power_of_two else ("weight",)
        with ExitStack() as stack:
            stack.enter_context(
                parametrised(
                    model, layers, lambda name: Quantised(self.bits, power_of_two), tensors
                )
            )
            for name, layer in layers.items():
                hook = _QuantiseInput(self.bits, power_of_two, ranges.get(name))
                stack.callback(layer.register_forward_pre_hook(hook).remove)
            yield inputs


class Quantised(nn.Module):
    """Parametrisation that rounds a layer's weights or bias.

    Args:
        bits: Number of bits of an integer.
        power_of_two: Whether the step is a power of two for the whole tensor.
    """

    def __init__(self, bits: int, power_of_two: bool):
        super().__init__()
        self.bits = bits
        self.power_of_two = power_of_two

    def forward(self, weight: Tensor) -> Tensor:
        if self.power_of_two:
            return on_power_of_two_grid(weight, self.bits)
        return on_channel_grids(weight, self.bits)


class _QuantiseInput:
    """Hook that rounds the first input of a layer.

    Args:
        bits: Number of bits of an integer.
        power_of_two: Whether the step is a power of two.
        fixed: Calibrated range; None: that of each batch.
    """

    def __init__(self, bits: int, power_of_two: bool, fixed: Range | None):
        self.bits = bits
        self.power_of_two = power_of_two
        self.fixed = fixed

    def __call__(self, layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        values, *others = inputs
        return (self._rounded(values.float()).to(values.dtype), *others)

    def _rounded(self, values: Tensor) -> Tensor:
        if self.power_of_two:
            step = None
            if self.fixed is not None:
                step = power_of_two_step(torch.stack(self.fixed), self.bits)
            return on_power_of_two_grid(values, self.bits, step)

        return on_range_grid(values, self.bits, self.fixed)
