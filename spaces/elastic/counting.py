"""Exact multiply-accumulates and parameters of cut networks, without building them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import nn

from spaces.elastic.choices import ElasticChoice, Kernel, Removal, Width
from spaces.elastic.slices import CONVOLUTION
from spaces.elastic.tracing import Call
from spaces.operators.layers import Shape
from spaces.user_model.block import ModuleBlock
from spaces.user_model.digest import digest

Counts: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Size:
    """A size that shrinks with the choices.

    Args:
        full: Size in the original.
        terms: Column of each choice that it depends on, and its decrease for each step of that
            choice's reductions.
    """

    full: int
    terms: tuple[tuple[int, int], ...] = ()

    def values(self, steps: Counts) -> Counts:
        """Return the sizes [n] at steps [n, choices] of the choices."""
        result = np.full(len(steps), self.full, dtype=np.int64)
        for column, decrease in self.terms:
            result -= decrease * steps[:, column]
        return result


@dataclass(frozen=True)
class Layer:
    """A module with weights or products.

    Args:
        path: Path of the module.
        name: Class of the module in small letters.
        configuration: Its plain numbers in the original.
        input: Sizes of its input for one image.
        output: Sizes of its output for one image.
        tensors: Sizes of its learned tensors.
        macs: Multiply-accumulates in the original.
        factors: Sizes that the multiply-accumulates are proportional to.
        removals: Columns of the blocks around it that can be left out.
    """

    path: str
    name: str
    configuration: str
    input: tuple[Size, ...]
    output: tuple[Size, ...]
    tensors: tuple[tuple[Size, ...], ...]
    macs: int
    factors: tuple[Size, ...]
    removals: tuple[int, ...]

    @property
    def columns(self) -> set[int]:
        """Columns of the choices that its size depends on."""
        sizes = [*self.input, *self.output, *self.factors, *itertools.chain(*self.tensors)]
        return {column for size in sizes for column, _ in size.terms}

    def present(self, codes: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return in which networks of codes [n, choices] it runs, bool array [n]."""
        result = np.ones(len(codes), dtype=bool)
        for column in self.removals:
            result &= codes[:, column] == 0
        return result

    def count_macs(self, steps: Counts) -> Counts:
        """Return the multiply-accumulates [n] where it runs, at steps [n, choices]."""
        # Exact, since the products are proportional to each of the sizes.
        full = math.prod(size.full for size in self.factors)
        product = np.full(len(steps), self.macs // full, dtype=np.int64)
        for size in self.factors:
            product *= size.values(steps)
        return product

    def count_params(self, steps: Counts) -> Counts:
        """Return the learned numbers [n] where it runs, at steps [n, choices]."""
        total = np.zeros(len(steps), dtype=np.int64)
        for sizes in self.tensors:
            numbers = np.ones(len(steps), dtype=np.int64)
            for size in sizes:
                numbers *= size.values(steps)
            total += numbers
        return total

    def block(self, steps: Sequence[int]) -> ModuleBlock:
        """Return the block at steps [choices]."""
        row = np.array([steps], dtype=np.int64)

        def shape(sizes: tuple[Size, ...]) -> Shape:
            return tuple(int(size.values(row)[0]) for size in sizes)

        macs, params = int(self.count_macs(row)[0]), int(self.count_params(row)[0])
        tensors = [shape(sizes) for sizes in self.tensors]
        before, after = shape(self.input), shape(self.output)
        factors = shape(self.factors)

        # Equal modules of equal sizes are one block, at any path.
        code = digest(self.name, self.configuration, before, after, tensors, factors, macs)
        return ModuleBlock(
            "module", before, after, name=self.name, digest=code, counted_macs=macs,
            counted_params=params,
        )  # fmt: skip


def layers_of(
    model: nn.Module, calls: Mapping[str, Call], choices: Sequence[ElasticChoice]
) -> list[Layer]:
    """Return the modules of a network that have weights or products, in the order of execution.

    Args:
        model: Original network.
        calls: Runs of its modules for one image.
        choices: Choices, one a column.
    """
    sizes = _tensor_sizes(model, choices)
    removals = {
        choice.path: column for column, choice in enumerate(choices) if isinstance(choice, Removal)
    }
    counted: set[int] = set()
    layers: list[Layer] = []

    # Parameters of modules that never run are counted where their parent is.
    for path, module in _in_order(model, calls):
        tensors = []
        for name, parameter in module.named_parameters(recurse=False):
            # A parameter that several modules share is counted once.
            if id(parameter) not in counted:
                counted.add(id(parameter))
                tensors.append(sizes[_name(path, name)])

        call = calls.get(path, Call(path))
        if not tensors and not call.macs:
            continue

        before, after = _shapes(path, module, call, sizes)
        layers.append(
            Layer(
                path,
                type(module).__name__.lower(),
                module.extra_repr(),
                before,
                after,
                tuple(tensors),
                call.macs,
                _factors(path, module, sizes, choices) if call.macs else (),
                tuple(
                    column
                    for block, column in removals.items()
                    if path == block or path.startswith(f"{block}.")
                ),
            )
        )

    return layers


def _in_order(model: nn.Module, calls: Mapping[str, Call]) -> list[tuple[str, nn.Module]]:
    modules = dict(model.named_modules(remove_duplicate=False))
    order = [path for path in calls if path in modules]
    order += [path for path in modules if path not in calls]
    return [(path, modules[path]) for path in order]


def _tensor_sizes(
    model: nn.Module, choices: Sequence[ElasticChoice]
) -> dict[str, tuple[Size, ...]]:
    """Return the sizes of the dimensions of each parameter, by its name."""
    terms: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for column, choice in enumerate(choices):
        if isinstance(choice, Width):
            for piece in choice.slices.tensors:
                # Units are of equal sizes, so that a size is linear in their number.
                per_unit = len(piece.index) // choice.group.units
                terms.setdefault((piece.name, piece.dim), []).append((column, per_unit))
        elif isinstance(choice, Kernel):
            for dim in (2, 3):
                terms.setdefault((f"{choice.path}.weight", dim), []).append((column, 1))

    return {
        name: tuple(
            Size(length, tuple(terms.get((name, dim), ())))
            for dim, length in enumerate(parameter.shape)
        )
        for name, parameter in model.named_parameters(remove_duplicate=False)
    }


def _shapes(
    path: str, module: nn.Module, call: Call, sizes: Mapping[str, tuple[Size, ...]]
) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
    """Return the sizes of a module's input and output, as far as its weight determines them."""
    before = tuple(map(Size, call.input))
    after = tuple(map(Size, call.output))
    weight = sizes.get(_name(path, "weight"))
    if weight is None or not before or not after:
        return before, after

    if isinstance(module, CONVOLUTION):
        # A weight has the channels of one group in its second dimension.
        transposed = module.transposed
        inputs, outputs = (weight[0], weight[1]) if transposed else (weight[1], weight[0])
        scale_in, scale_out = (1, module.groups) if transposed else (module.groups, 1)
        # The groups of a depthwise convolution shrink with its channels.
        if module.groups > 1 and module.groups == module.in_channels == module.out_channels:
            inputs = outputs = weight[0]
            scale_in = scale_out = 1
        return (_scaled(inputs, scale_in), *before[1:]), (_scaled(outputs, scale_out), *after[1:])

    if isinstance(module, nn.Linear):
        return (*before[:-1], weight[1]), (*after[:-1], weight[0])

    if len(weight) == 1 and before == after:
        # Channels come last where the weight of a normalisation is as long as the last dimension.
        dims = [dim for dim, size in enumerate(before) if size.full == weight[0].full]
        if dims:
            dim = dims[-1] if isinstance(module, nn.LayerNorm) else dims[0]
            before = (*before[:dim], weight[0], *before[dim + 1 :])

    return before, before if len(before) == len(after) else after


def _name(path: str, attribute: str) -> str:
    return f"{path}.{attribute}" if path else attribute


def _scaled(size: Size, factor: int) -> Size:
    terms = tuple((column, decrease * factor) for column, decrease in size.terms)
    return Size(size.full * factor, terms)


def _factors(
    path: str,
    module: nn.Module,
    sizes: Mapping[str, tuple[Size, ...]],
    choices: Sequence[ElasticChoice],
) -> tuple[Size, ...]:
    """Return the sizes that a module's products are proportional to."""
    if isinstance(module, CONVOLUTION | nn.Linear):
        return sizes[_name(path, "weight")]

    # Products of queries with keys, and of attention with values, are as many as the heads.
    return tuple(
        Size(choice.group.units, ((column, 1),))
        for column, choice in enumerate(choices)
        if isinstance(choice, Width) and choice.by_heads and _is_around(choice.group.path, path)
    )


def _is_around(first: str, second: str) -> bool:
    return first == second or second.startswith(f"{first}.") or first.startswith(f"{second}.")
