"""Bounds of a space's costs, and the costs of each block of an architecture."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from profiler.phases import by_phase
from service.catalog.files import FileReference, device_models, read_table
from service.jobs import JsonObject
from service.schemas.catalog import MetricBounds
from spaces.architecture import Architecture
from spaces.block import Block
from spaces.registry import get
from spaces.space import SearchSpace
from tables.cost.model import CostModel, counting_model
from tables.lookup_table import LookupTable
from tables.metrics import MEASURED, counts_of


def bounds(space: str, table: FileReference | None) -> dict[str, MetricBounds]:
    """Bound every cost of a space's architectures.

    Args:
        space: Canonical name of the space.
        table: Lookup table of a device; costs that it has no figures of are left out. None bounds
            only the costs that need no device.

    Returns:
        Metric -> bounds.

    Raises:
        MissingBlock: The table lacks a block of the space.
    """
    counts = {metric: _bound_count(space, metric) for metric in counts_of(get(space))}
    return counts if table is None else {**_bound_on_device(space, table), **counts}


@functools.lru_cache(maxsize=64)
def _bound_count(space: str, metric: str) -> MetricBounds:
    return _to_schema(counting_model(get(space), metric))


@functools.lru_cache(maxsize=64)
def _bound_on_device(space: str, table: FileReference) -> dict[str, MetricBounds]:
    return {metric: _to_schema(model) for metric, model in device_models(table, get(space)).items()}


def _to_schema(model: CostModel) -> MetricBounds:
    least, greatest = model.bounds()
    return MetricBounds(
        least=float(least.value),
        greatest=float(greatest.value),
        unit=model.unit,
        sigma=model.sigma,
        exact=model.exact_bounds,
    )


_BLOCK_FIELDS = (
    "key",
    "operator",
    "input",
    "output",
    "kernel",
    "expansion",
    "stride",
    "se",
    "shortcut",
    "heads",
    "cached",
    "macs",
    "params",
)


@dataclass(frozen=True)
class BlockCosts:
    """One block of an architecture with its costs.

    Args:
        block: The block.
        phase: Phase in which a network of text executes it; None where there is one phase only.
        latency_ms: Latency of the block in the lookup table; None without a table.
        latency_fraction: Fraction of the network's latency; None without a table.
        memory_bytes: Bytes of activations; None if the table has no such figure.
    """

    block: Block
    phase: str | None
    latency_ms: float | None
    latency_fraction: float | None
    memory_bytes: float | None

    def to_dict(self) -> JsonObject:
        """Return the JSON object that the API answers."""
        return {
            **{name: getattr(self.block, name) for name in _BLOCK_FIELDS},
            "phase": self.phase,
            "latency_ms": self.latency_ms,
            "share": self.latency_fraction,
            "memory_bytes": self.memory_bytes,
        }


@dataclass(frozen=True)
class NetworkCosts:
    """An architecture with its costs, in total and by block.

    Args:
        architecture: The architecture.
        table: Name of the lookup table; None without one.
        measured: Metric -> estimate on the device; None for metrics without figures. The memory
            is that of the block that needs most.
        macs: Multiply-accumulates.
        params: Parameters.
        blocks: Blocks in order. Their latencies do not add up to the network's: the difference is
            the table's correction for the context of each block.
    """

    architecture: Architecture
    table: str | None
    measured: Mapping[str, float | None]
    macs: int
    params: int
    blocks: Sequence[BlockCosts]

    def to_dict(self) -> JsonObject:
        """Return the JSON object that the API answers."""
        return {
            "architecture": self.architecture.to_dict(),
            "table": self.table,
            **self.measured,
            "macs": self.macs,
            "params": self.params,
            "blocks": [block.to_dict() for block in self.blocks],
        }


def _executed_blocks(
    space: SearchSpace, architecture: Architecture, table: LookupTable | None
) -> Iterator[tuple[Block, str | None]]:
    """Yield the blocks of a network; of networks of text phase by phase, each with its phase."""
    if table is None or not table.phases:
        for block in space.blocks(architecture):
            yield block, None
        return
    for phase, _, at_phase in by_phase(table, space):
        for block in at_phase.blocks(architecture):
            yield block, phase


def by_block(architecture: Architecture, table: FileReference | None) -> NetworkCosts:
    """Estimate the costs of an architecture and of its blocks.

    Args:
        architecture: The architecture.
        table: Lookup table of a device; None leaves out the costs that only a device has.

    Raises:
        MissingBlock: The table lacks a block of the architecture.
    """
    space = get(architecture.space)
    codes = space.encode([architecture])
    models = {} if table is None else device_models(table, space)
    totals = {metric: float(model.estimate(codes)[0]) for metric, model in models.items()}
    measured = None if table is None else read_table(table)
    blocks = []
    for block, phase in _executed_blocks(space, architecture, measured):
        # The fractions are of the estimate for the whole network, which includes the table's
        # correction.
        latency = totals.get(f"{phase}_ms" if phase else "latency_ms")
        cost = None if measured is None else measured.blocks[block.key]
        blocks.append(
            BlockCosts(
                block=block,
                phase=phase,
                latency_ms=None if cost is None else cost.latency_ms,
                latency_fraction=None if cost is None or not latency else cost.latency_ms / latency,
                memory_bytes=None if cost is None else cost.activation_bytes,
            )
        )

    return NetworkCosts(
        architecture=architecture,
        table=None if table is None else table.name,
        measured={metric: totals.get(metric) for metric in MEASURED},
        macs=int(np.asarray(space.macs(codes))[0]),
        params=int(np.asarray(space.params(codes))[0]),
        blocks=blocks,
    )
