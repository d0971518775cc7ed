"""Faults of multipliers and adders in the outputs of convolutions (FTT-NAS, arXiv 2003.10375)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from oneshot.perturbations.draws import on_device
from oneshot.perturbations.int8 import Quantised
from oneshot.perturbations.layers import CONVOLUTIONS, LAYERS, layers_of, parametrised
from oneshot.perturbations.perturbation import Perturbation
from oneshot.perturbations.registry import register_perturbation
from oneshot.perturbations.rounding import on_power_of_two_grid, power_of_two_step

BITS = 8
_LIMIT = 2.0 ** (BITS - 1)
_MOST_EXTRA_BITS = 7

MODES = ("bias", "maximum", "flip", "gaussian", "salt-and-pepper")


@register_perturbation("feature-faults")
class FeatureFaults(Perturbation):
    """Injects faults into the outputs of convolutions: 2 to 4 passes.

    The disturbed pass computes with weights, biases and outputs of 8 bits on grids whose steps are
    powers of two. With M multiplications per output value, a value is faulty with the probability
    1 - (1 - p)^M: multiplication-induced bit bias (MiBB), section 3.2 of the paper. Gradients pass
    straight through.

    Modes of a fault, where `step` is that of the output's grid:

    - `bias`: +-step 2^b is added, with b uniform over the 8 bits.
    - `maximum`: +-step 2^7 is added.
    - `flip`: bit b of the two's complement is inverted.
    - `gaussian`: normal noise is added, with `deviation` times the range's end.
    - `salt-and-pepper`: the value becomes an end of the range.

    Args:
        p: Probability that one multiplication is faulty.
        mode: `bias`, `maximum`, `flip`, `gaussian` or `salt-and-pepper`.
        proportional: Whether the probability grows with the multiplications of an output value
            (MiBB); else it is p itself (iBB).
        deviation: Standard deviation of `gaussian`, in units of the range's end.
        adder_tree: Inputs of the adder tree that sums the products; 0: one adder. With n sums per
            output, faults have floor(log2 n) further low bits (at most 7) and are n times as large.
        tile: Side in channels, rows and columns of a unit that computes all tiles of a feature map,
            and whose faults repeat in each; 0: every value has its own unit.

    Raises:
        InvalidOption: A value is out of its range.
    """

    def __init__(
        self,
        *,
        p: float = 1e-4,
        mode: str = "bias",
        proportional: bool = True,
        deviation: float = 0.1,
        adder_tree: int = 0,
        tile: int = 0,
    ) -> None:
        if not 0 <= p <= 1:
            raise InvalidOption(f"under feature-faults: p must be from 0 to 1, not {p}")
        if mode not in MODES:
            raise InvalidOption(
                f"under feature-faults: mode must be one of {', '.join(MODES)}, not {mode!r}"
            )
        if deviation <= 0:
            raise InvalidOption(f"under feature-faults: deviation must be above 0, not {deviation}")
        for field, value in (("adder_tree", adder_tree), ("tile", tile)):
            if value < 0:
                raise InvalidOption(
                    f"under feature-faults: {field} must be at least 0, not {value}"
                )
        if adder_tree and mode != "bias":
            raise InvalidOption(
                f"under feature-faults: adder_tree must be 0 for the mode {mode}; it is for bias"
            )

        self.p = p
        self.mode = mode
        self.proportional = proportional
        self.deviation = deviation
        self.adder_tree = adder_tree
        self.tile = tile

    @contextmanager
    def around(
        self,
        model: nn.Module,
        inputs: Tensor,
        loss_at: Callable[[Tensor], Tensor],
        generator: torch.Generator,
    ) -> Iterator[Tensor]:
        """Quantise the layers, and inject faults into the outputs of convolutions that run."""
        convolutions = layers_of(model, "feature-faults", CONVOLUTIONS)
        layers = layers_of(model, "feature-faults", LAYERS)

        def inject(layer: nn.Module, inputs: Any, outputs: Tensor) -> Tensor:
            return self._injected(layer, outputs.float(), generator).to(outputs.dtype)

        with ExitStack() as stack:
            stack.enter_context(
                parametrised(model, layers, lambda name: Quantised(BITS, True), ("weight", "bias"))
            )
            for layer in convolutions.values():
                stack.callback(layer.register_forward_hook(inject).remove)
            yield inputs

    def _injected(self, layer: nn.Module, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """Return the outputs [b, channels, ...] of a convolution, quantised and with faults."""
        step = power_of_two_step(outputs, BITS)
        quantised = on_power_of_two_grid(outputs, BITS, step)
        probability, num_sums = self._faults_of(layer)
        extra = min(_MOST_EXTRA_BITS, int(math.log2(num_sums)))
        if self.adder_tree:
            probability = min(1.0, probability * (BITS + extra) / BITS)

        unit = self._unit(outputs)
        source = on_device(generator, outputs.device)
        is_faulty = torch.rand(unit, generator=source, device=outputs.device) < probability

        # Faults are rare: signs and bits are drawn for the faulty values alone.
        faults = self._faults(int(is_faulty.sum()), extra, source)
        if self.tile:
            values = torch.zeros(unit, device=outputs.device)
            values[is_faulty] = faults
            is_faulty = repeated(is_faulty, outputs.shape)
            faults = repeated(values, outputs.shape)[is_faulty]

        levels = quantised.detach()[is_faulty] / step
        disturbed = self._disturbed(levels, faults, num_sums).clamp(-_LIMIT, _LIMIT - 1)
        change = torch.zeros_like(outputs)
        change[is_faulty] = (disturbed - levels) * step
        return quantised + change

    def _faults_of(self, layer: nn.Module) -> tuple[float, int]:
        """Return the probability of a fault of an output value, and its number of sums."""
        weight = layer.weight
        assert isinstance(weight, Tensor)
        multiplications = weight[0].numel()
        if not self.proportional:
            return self.p, 1
        if not self.adder_tree:
            return 1 - (1 - self.p) ** multiplications, 1
        num_sums = math.ceil(multiplications / self.adder_tree)
        return 1 - (1 - self.p) ** self.adder_tree, num_sums

    def _unit(self, outputs: Tensor) -> tuple[int, ...]:
        """Return the shape of the values with faults of their own: all, or those of a tile."""
        if not self.tile:
            return tuple(outputs.shape)
        return (1, *(min(self.tile, size) for size in outputs.shape[1:]))

    def _faults(self, count: int, extra: int, source: torch.Generator) -> Tensor:
        """Return the random number of each fault [count], whose meaning depends on the mode."""
        device = source.device
        if self.mode == "gaussian":
            return torch.randn(count, generator=source, device=device)
        if self.mode == "flip":
            return torch.randint(BITS, (count,), generator=source, device=device).float()

        signs = 2 * torch.randint(2, (count,), generator=source, device=device) - 1
        if self.mode != "bias":
            return signs * _LIMIT
        bits = torch.randint(-extra, BITS, (count,), generator=source, device=device)
        return signs * torch.exp2(bits)

    def _disturbed(self, levels: Tensor, faults: Tensor, num_sums: int) -> Tensor:
        """Return faulty levels [count], which may be out of the range."""
        if self.mode == "gaussian":
            return levels + (self.deviation * _LIMIT * faults).round()
        if self.mode == "salt-and-pepper":
            return faults
        if self.mode == "flip":
            # Two's complement: the highest bit counts -2^7.
            stored = levels.long() & (2**BITS - 1)
            flipped = stored ^ (1 << faults.long())
            return torch.where(flipped >= _LIMIT, flipped - 2**BITS, flipped).to(levels.dtype)
        return levels + num_sums * faults


def repeated(values: Tensor, shape: torch.Size) -> Tensor:
    """Return the values of a tile for all tiles of a shape; the last ones are cut.

    Args:
        values: Values of one tile.
        shape: Shape of the result, with as many dimensions.

    Example:
        >>> repeated(torch.tensor([1, 2]), torch.Size([5])).tolist()
        [1, 2, 1, 2, 1]
    """
    counts = [math.ceil(whole / one) for whole, one in zip(shape, values.shape, strict=True)]
    return values.repeat(counts)[tuple(slice(size) for size in shape)]
