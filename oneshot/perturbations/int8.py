"""Weights and activations of few bits, computed in floats (fake quantisation)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from oneshot.perturbations.calibration import ActivationRanges, Range, RoundedJoins
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
)


@register_perturbation("int8")
class Int8(Perturbation):
    """Quantises weights and inputs of convolutions and linear layers: 1.2 to 1.4 passes.

    Weights have a symmetric grid for each output channel, inputs one grid for the whole tensor, of
    which 0 is a number, as in onnxruntime's static quantisation (Jacob et al., CVPR 2018). In
    evaluations the ranges of inputs are those of training images, and the outputs of modules that a
    runtime stores are rounded as well; in a training, whose weights move, the ranges of inputs are
    those of the batch. Gradients pass straight through.

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
        self.ranges = ActivationRanges()

    def calibrated(
        self, model: nn.Module, batches: Sequence[Any], forward: Callable[[Any], Any]
    ) -> Perturbation:
        """Return the perturbation with the ranges that activations have on images."""
        layers_of(model, "int8")
        result = copy.copy(self)
        result.ranges = ActivationRanges.of_model(model, batches, forward)
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
        ranges = ActivationRanges() if model.training else self.ranges
        power_of_two = self.scale == "power-of-two"
        tensors = ("weight", "bias") if power_of_two else ("weight",)
        quantised = Quantised(self.bits, power_of_two)
        with ExitStack() as stack:
            stack.enter_context(parametrised(model, layers, lambda name: quantised, tensors))
            for name in {**layers, **ranges.inputs}:
                values = _Activations(self.bits, power_of_two, ranges.inputs.get(name))
                module = model.get_submodule(name)
                stack.callback(module.register_forward_pre_hook(values.before).remove)
            for name, limits in ranges.outputs.items():
                values = _Activations(self.bits, power_of_two, limits)
                module = model.get_submodule(name)
                stack.callback(module.register_forward_hook(values.after).remove)
            if ranges.joins:
                stack.enter_context(RoundedJoins(ranges.joins, self._rounded))
            yield inputs

    def _rounded(self, values: Tensor, limits: Range) -> Tensor:
        """Return features on the grid of a calibrated range."""
        activations = _Activations(self.bits, self.scale == "power-of-two", limits)
        return activations.rounded(values)


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


class _Activations:
    """Hooks that round the first input of a module, or its output.

    Args:
        bits: Number of bits of an integer.
        power_of_two: Whether the step is a power of two.
        limits: Calibrated range; None: that of each batch.
    """

    def __init__(self, bits: int, power_of_two: bool, limits: Range | None):
        self.bits = bits
        self.power_of_two = power_of_two
        self.limits = limits

    def before(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the inputs of a module, of which the first is rounded."""
        values, *others = inputs
        return (self.rounded(values), *others)

    def after(self, module: nn.Module, inputs: Any, outputs: Tensor) -> Tensor:
        """Return the rounded output of a module."""
        return self.rounded(outputs)

    def rounded(self, values: Tensor) -> Tensor:
        """Return values on a grid."""
        exact = values.float()
        if not self.power_of_two:
            return on_range_grid(exact, self.bits, self.limits).to(values.dtype)

        step = None
        if self.limits is not None:
            step = power_of_two_step(torch.stack(self.limits), self.bits)
        return on_power_of_two_grid(exact, self.bits, step).to(values.dtype)
