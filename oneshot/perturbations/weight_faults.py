"""Stuck cells of memristor arrays that hold weights (FTT-NAS, arXiv 2003.10375, section 3.3)."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from oneshot.perturbations.conditions import generator_of
from oneshot.perturbations.draws import on_device
from oneshot.perturbations.layers import CONVOLUTIONS, layers_of, parametrised
from oneshot.perturbations.perturbation import Perturbation
from oneshot.perturbations.registry import register_perturbation
from oneshot.perturbations.rounding import on_power_of_two_grid, power_of_two_step

BITS = 8

_MAGNITUDE_BITS = BITS - 1
"""Bits of an array; one array holds the positive weights, another the negative ones."""

_CUT_FROM = 8
"""Steps by which a weight may move without losing its gradient, in the bitwise variant."""

FRESH = -1


@register_perturbation("weight-faults")
class WeightFaults(Perturbation):
    """Injects stuck-at faults into the weights of convolutions: 1.2 to 2 passes.

    A pair of arrays holds the positive and the negative part of the weights, with 8 bits on a grid
    whose step is a power of two. In each array each cell is faulty with the probability p
    (adSAF). Stuck at 1, it adds the largest weight with the array's sign; stuck at 0, it sets the
    weight to 0 where that has the array's sign. The sums are clamped, and faulty weights get no
    gradient.

    With `bitwise` each of an array's 7 bits is stuck by itself; weights that move by more than 8
    steps get no gradient.

    Args:
        p: Probability that a cell is faulty (a bit, with `bitwise`).
        stuck_at_one: Fraction of the faults that are stuck at 1.
        bitwise: Whether bits are stuck rather than whole weights; the paper's figures are without.
        seed: Seed of one chip, whose faults never change; -1: other faults in each pass.

    Raises:
        InvalidOption: A value is out of its range.
    """

    def __init__(
        self,
        *,
        p: float = 0.08,
        stuck_at_one: float = 0.163,
        bitwise: bool = False,
        seed: int = FRESH,
    ) -> None:
        for field, value in (("p", p), ("stuck_at_one", stuck_at_one)):
            if not 0 <= value <= 1:
                raise InvalidOption(
                    f"under weight-faults: {field} must be from 0 to 1, not {value}"
                )
        if seed < FRESH:
            raise InvalidOption(
                "under weight-faults: seed must be at least 0, or -1 for other faults in each pass,"
                f" not {seed}"
            )
        self.p = p
        self.stuck_at_one = stuck_at_one
        self.bitwise = bitwise
        self.seed = seed

    @contextmanager
    def around(
        self,
        model: nn.Module,
        inputs: Tensor,
        loss_at: Callable[[Tensor], Tensor],
        generator: torch.Generator,
    ) -> Iterator[Tensor]:
        """Inject faults into the convolutions that run; inputs stay as they are."""
        layers = layers_of(model, "weight-faults", CONVOLUTIONS)

        def source(name: str) -> torch.Generator:
            if self.seed == FRESH:
                return generator

            # By its name, so that a layer of a supernet has the same faults in every path.
            return generator_of(self.seed, zlib.crc32(name.encode()))

        def make(name: str) -> nn.Module:
            kind = StuckBits if self.bitwise else StuckCells
            return kind(self.p, self.stuck_at_one, functools.partial(source, name))

        with parametrised(model, layers, make):
            yield inputs


class StuckFaults(nn.Module):
    """Parametrisation: weights in two arrays, one for each sign, of which parts are stuck.

    Args:
        p: Probability that a part is faulty.
        stuck_at_one: Fraction of the faults that are stuck at 1.
        source: Returns the generator, on the processor, of a pass through the layer.
    """

    def __init__(self, p: float, stuck_at_one: float, source: Callable[[], torch.Generator]):
        super().__init__()
        self.p = p
        self.stuck_at_one = stuck_at_one
        self.source = source

    def generator(self, device: torch.device) -> torch.Generator:
        """Return the generator of a pass through the layer, on the device of the weights."""
        return on_device(self.source(), device)

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return which parts of an array are stuck at 1, and which at 0, bool `shape` each."""
        draws = torch.rand(tuple(shape), generator=generator, device=generator.device)
        at_one = draws < self.p * self.stuck_at_one
        return at_one, (draws < self.p) & ~at_one


class StuckCells(StuckFaults):
    """Parametrisation: weights whose cells in two arrays are stuck (adSAF)."""

    def forward(self, weight: Tensor) -> Tensor:
        weight = on_power_of_two_grid(weight, BITS)
        largest = weight.detach().abs().amax()
        generator = self.generator(weight.device)
        faulty = torch.zeros_like(weight, dtype=torch.bool)
        stuck = weight.detach()
        for sign in (1, -1):
            at_one, at_zero = self.draw(weight.shape, generator)
            stuck = torch.where(at_zero & (sign * stuck > 0), 0, stuck)
            stuck = (stuck + sign * largest * at_one).clamp(-largest, largest)
            faulty |= at_one | at_zero
        return torch.where(faulty, stuck, weight)


class StuckBits(StuckFaults):
    """Parametrisation: weights of which single bits are stuck in two arrays."""

    def forward(self, weight: Tensor) -> Tensor:
        step = power_of_two_step(weight, BITS)
        quantised = on_power_of_two_grid(weight, BITS, step)
        levels = (quantised.detach() / step).long()
        generator = self.generator(weight.device)
        stuck = torch.zeros_like(levels)
        for sign in (1, -1):
            array = (sign * levels).clamp(0, 2**_MAGNITUDE_BITS - 1)
            at_one, at_zero = self.draw((_MAGNITUDE_BITS, *weight.shape), generator)
            stuck += sign * ((array & ~_as_integers(at_zero)) | _as_integers(at_one))

        moved = (stuck - levels) * step
        kept = (stuck - levels).abs() <= _CUT_FROM
        return torch.where(kept, quantised, quantised.detach()) + moved


def _as_integers(bits: Tensor) -> Tensor:
    """Return integers [...] of bits [n, ...], the lowest first."""
    values = 1 << torch.arange(len(bits), device=bits.device)
    result: Tensor = (bits * values.view(-1, *(1 for _ in bits.shape[1:]))).sum(0)
    return result
