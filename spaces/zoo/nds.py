"""Residual networks of "On Network Design Spaces for Visual Recognition" (NDS).

Radosavovic et al., ICCV 2019 (arXiv 1905.13214), section 4 and table 1: the design spaces ResNet
and ResNeXt-A on CIFAR-10, as facebookresearch/pycls trains them. Their supernets share the first
channels, as those of aw_nas do (examples/research/surgery/nds).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.block import Block
from spaces.cells.plan import Plan
from spaces.cells.space import CellSpace
from spaces.choice import Choice
from spaces.errors import InvalidParameter
from spaces.operators.layers import Shape
from spaces.registry import register_space
from spaces.space import Codes, SearchSpace

if TYPE_CHECKING:
    from torch_geometric.data import Batch

    from spaces.modules.cells import CellSupernet
    from spaces.modules.network import Initialiser

STRIDES = (1, 2, 2)
"""Stride of the first block of each stage."""

Sizes: TypeAlias = tuple[int, ...]
"""Codes of the width, and of the ratio and the groups where there are any, of a stage."""


class NdsSpace(CellSpace):
    """A stem, three stages of residual blocks, and a classifier.

    Each stage has a depth and a width, and with bottlenecks the ratio of their inner width and
    their groups.

    Args:
        name: Canonical name.
        input_size: Side of an image in pixels.
        stem_channels: Number of channels of the stem.
        depths: Numbers of blocks of a stage.
        widths: Numbers of channels of a stage.
        ratios: Ratios of the inner width of bottlenecks; empty: blocks are basic ones.
        groups: Numbers of groups of bottlenecks; empty: blocks are basic ones.
        num_classes: Number of classes that costs are counted with.
    """

    def __init__(
        self,
        name: str,
        input_size: int,
        stem_channels: int,
        depths: Sequence[int],
        widths: Sequence[int],
        ratios: Sequence[float],
        groups: Sequence[int],
        num_classes: int,
    ):
        self.depths = tuple(depths)
        self.widths = tuple(widths)
        self.ratios = tuple(ratios)
        self.groups = tuple(groups)
        self._stem_channels = stem_channels

        letters = {"depth": "d", "width": "w", "ratio": "b", "groups": "g"}
        values = dict(
            zip(letters, (self.depths, self.widths, self.ratios, self.groups), strict=True)
        )
        kinds = {kind: numbers for kind, numbers in values.items() if numbers}
        self._per_stage = len(kinds)
        choices = [
            Choice(f"{kind}_{stage}", tuple(f"{letters[kind]}{number:g}" for number in numbers))
            for stage in range(1, len(STRIDES) + 1)
            for kind, numbers in kinds.items()
        ]
        super().__init__(name, choices, (3, input_size, input_size), num_classes)

    # Blocks

    def plan(self, codes: NDArray[Any], num_classes: int | None = None) -> Plan:
        """Return the wiring of the network of `codes` [choices]."""
        plan = Plan(self.input_shape)
        value = plan.apply("stem", self._stem(), 0)
        plan.block_ends.append(value)

        for stage, (depth, sizes) in enumerate(self._stages(codes)):
            for number in range(depth):
                source = plan.shape(value)
                block = self._block(source, stage, sizes, first=number == 0)
                value = plan.apply(f"stage_{stage + 1}/block_{number + 1}", block, value)
                plan.block_ends.append(value)

        plan.apply("classifier", self._classifier(plan.shape(value), num_classes), value)
        return plan

    def places(self, num_classes: int | None = None) -> Mapping[str, Block]:
        """Return the widest block of every module of the supernet by name, of one group."""
        largest = [
            int(np.argmin(self.groups))
            if choice.key.startswith("groups")
            else self._largest(choice)
            for choice in self.choices
        ]
        return {step.name: step.block for step in self.plan(np.array(largest), num_classes).applied}

    def _largest(self, choice: Choice) -> int:
        """Return the code of the greatest candidate."""
        return max(
            range(len(choice.candidates)), key=lambda code: float(choice.candidates[code][1:])
        )

    def _stages(self, codes: NDArray[Any]) -> Iterator[tuple[int, Sizes]]:
        """Yield the depth and the codes of the sizes of each stage."""
        for start in range(0, len(codes), self._per_stage):
            depth, *sizes = codes[start : start + self._per_stage].tolist()
            yield self.depths[depth], tuple(sizes)

    def _stem(self) -> Block:
        shape = (self._stem_channels, *self.input_shape[1:])
        return Block("conv", self.input_shape, shape, 3, stride=1, activation="relu")

    def _block(self, source: Shape, stage: int, sizes: Sizes, *, first: bool) -> Block:
        """Return a block of a stage with the sizes of the given codes."""
        stride = STRIDES[stage] if first else 1
        width = self.widths[sizes[0]]
        output = (width, source[1] // stride, source[2] // stride)
        if not self.ratios:
            return Block("residual_basic", source, output, 3, stride=stride)
        return Block(
            "residual_bottleneck",
            source,
            output,
            3,
            hidden=round(width * self.ratios[sizes[1]]),
            stride=stride,
            groups=self.groups[sizes[2]],
        )

    def _classifier(self, source: Shape, num_classes: int | None) -> Block:
        return Block("linear", source, (num_classes or self.num_classes,))

    @cached_property
    def all_blocks(self) -> dict[str, Block]:
        """Key -> block for every block that occurs in the space."""
        blocks = [self._stem()]
        blocks += [block for stage in self._block_table for block in stage.values()]
        side = self.input_shape[1] // int(np.prod(STRIDES))
        blocks += [self._classifier((width, side, side), None) for width in self.widths]
        return {block.key: block for block in blocks}

    @cached_property
    def _block_table(self) -> list[dict[tuple[int, Sizes], Block]]:
        """For each stage (code of the width before, sizes) -> block.

        The code of the width before is -1 for blocks that are not the first of their stage.
        """
        sizes = list(itertools.product(*map(range, map(len, filter(None, self._size_values)))))
        side = self.input_shape[1]
        tables = []
        for stage, stride in enumerate(STRIDES):
            before = {
                code: (width, side, side)
                # The first stage reads the stem, whatever the width before it is called.
                for code, width in enumerate(self.widths if stage else (self._stem_channels,))
            }
            table = {
                (code, entry): self._block(shape, stage, entry, first=True)
                for code, shape in before.items()
                for entry in sizes
            }
            side //= stride
            # A stage of one block has no further ones.
            for entry in sizes if max(self.depths) > 1 else ():
                shape = (self.widths[entry[0]], side, side)
                table[-1, entry] = self._block(shape, stage, entry, first=False)
            tables.append(table)
        return tables

    @property
    def _size_values(self) -> tuple[Sequence[float], ...]:
        return self.widths, self.ratios, self.groups

    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """Return all block keys of the space and how often each occurs, int array [n, keys]."""
        keys = list(self.all_blocks)
        column = {key: index for index, key in enumerate(keys)}
        counts = np.zeros((len(codes), len(keys)), dtype=np.int32)
        counts[:, column[self._stem().key]] = 1

        before = np.zeros(len(codes), dtype=np.int64)
        for stage, table in enumerate(self._block_table):
            start = stage * self._per_stage
            depths = np.array(self.depths)[codes[:, start]]
            sizes = codes[:, start + 1 : start + self._per_stage]
            for (code, entry), block in table.items():
                matches = (sizes == entry).all(axis=1)
                if code < 0:
                    counts[:, column[block.key]] += matches * (depths - 1)
                else:
                    counts[:, column[block.key]] += matches & (before == code)
            before = sizes[:, 0]

        side = self.input_shape[1] // int(np.prod(STRIDES))
        for code, width in enumerate(self.widths):
            classifier = self._classifier((width, side, side), None)
            counts[:, column[classifier.key]] += before == code
        return keys, counts

    # Networks and graphs

    def initialiser(self) -> Initialiser:
        """Return He's initialisation, as in pycls."""
        from spaces.modules.network import FanOutInitialiser

        return FanOutInitialiser()

    def _supernet_class(self) -> type[CellSupernet]:
        from spaces.modules.elastic_residual import ResidualSupernet

        return ResidualSupernet

    def _graphs(self, codes: Codes) -> Batch:
        from spaces.graphs.graph import chain_graphs

        return chain_graphs(self, codes)


@register_space("nds-resnet")
def nds_resnet(
    name: str,
    /,
    *,
    input_size: int = 32,
    stem_channels: int = 16,
    depths: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12, 16, 24),
    widths: tuple[int, ...] = (16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256),
    num_classes: int = 10,
) -> SearchSpace:
    """Build NDS's ResNet: three stages of basic blocks, each with a depth and a width."""
    _check(name, input_size, stem_channels, depths, widths)
    return NdsSpace(name, input_size, stem_channels, depths, widths, (), (), num_classes)


@register_space("nds-resnext")
def nds_resnext(
    name: str,
    /,
    *,
    input_size: int = 32,
    stem_channels: int = 16,
    depths: tuple[int, ...] = (1, 2, 4, 8, 16),
    widths: tuple[int, ...] = (16, 32, 64, 128, 256),
    ratios: tuple[float, ...] = (0.25, 0.5, 1.0),
    groups: tuple[int, ...] = (1, 2, 4),
    num_classes: int = 10,
) -> SearchSpace:
    """Build NDS's ResNeXt-A: bottlenecks with an inner width and groups for each stage."""
    _check(name, input_size, stem_channels, depths, widths, ratios, groups)
    for width, ratio, count in itertools.product(widths, ratios, groups):
        inner = round(width * ratio)
        if inner < 1 or inner % count:
            raise InvalidParameter(
                f"{name}: {count} groups do not divide the inner width {inner} of width {width} and"
                f" ratio {ratio:g}"
            )
    return NdsSpace(name, input_size, stem_channels, depths, widths, ratios, groups, num_classes)


def _check(
    name: str,
    input_size: int,
    stem_channels: int,
    depths: tuple[int, ...],
    widths: tuple[int, ...],
    *others: tuple[float, ...],
) -> None:
    """Raise InvalidParameter where sizes are not positive and different, or do not fit."""
    for values in (depths, widths, *others):
        if not values or len(set(values)) < len(values) or min(values) <= 0:
            raise InvalidParameter(f"{name}: sizes must be positive and different, not {values}")
    # The widest block of the first stage has the weights of all; of equal channels it would have
    # no projection, which narrower ones need.
    if stem_channels == max(widths) > min(widths):
        raise InvalidParameter(
            f"{name}: stem_channels must not be the greatest width, {stem_channels}"
        )
    divisor = int(np.prod(STRIDES))
    if input_size < divisor or input_size % divisor:
        raise InvalidParameter(
            f"{name}: input_size must be a multiple of {divisor}, not {input_size}"
        )
