"""Costs of a space's architectures, for whoever sets limits: their bounds, and what each block
takes.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from service.catalog.catalog import FileReference, device_models, read_table
from spaces.architecture import Architecture
from spaces.registry import get
from tables.cost.model import CostModel, counting_model
from tables.metrics import COUNTS, MEASURED


def bounds(space: str, table: FileReference | None) -> dict[str, dict[str, Any]]:
    """Metric -> what the architectures of a space cost at least and at most.

    Args:
        space: canonical name.
        table: a device's; None: counts alone. What it has no figures of is left out.

    Raises:
        MissingBlock: the table lacks a block of the space.
    """
    found = {metric: _bounds_of_count(space, metric) for metric in COUNTS}
    return found if table is None else {**_bounds_on_device(space, table), **found}


@functools.lru_cache(maxsize=64)
def _bounds_of_count(space: str, metric: str) -> dict[str, Any]:
    return _told(counting_model(get(space), metric))


@functools.lru_cache(maxsize=64)
def _bounds_on_device(space: str, table: FileReference) -> dict[str, dict[str, Any]]:
    return {metric: _told(model) for metric, model in device_models(table, get(space)).items()}


def _told(model: CostModel) -> dict[str, Any]:
    least, greatest = model.bounds()
    return {
        "least": float(least.value),
        "greatest": float(greatest.value),
        "unit": model.unit,
        "sigma": model.sigma,
        "exact": model.exact_bounds,
    }


def by_block(architecture: Architecture, table: FileReference | None) -> dict[str, Any]:
    """The blocks of an architecture in order, each with its costs; and what the whole takes.

    What the blocks' latencies lack to the whole's is what the table's correction adds for their
    context. The memory of the whole is that of the block that needs most; None is what the table
    does not tell.
    """
    space = get(architecture.space)
    codes = space.encode([architecture])
    known = None if table is None else read_table(table).blocks
    models = {} if table is None else device_models(table, space)
    whole = {metric: float(model.estimate(codes)[0]) for metric, model in models.items()}
    latency = whole.get("latency_ms")
    blocks = []
    for block in space.blocks(architecture):
        cost = None if known is None else known[block.key]
        own = None if cost is None else cost.latency_ms
        blocks.append(
            {
                "key": block.key,
                **{name: getattr(block, name) for name in _SHOWN},
                "latency_ms": own,
                "share": None if own is None or not latency else own / latency,
                "memory_bytes": None if cost is None else cost.activation_bytes,
            }
        )
    return {
        "architecture": architecture.to_dict(),
        "table": None if table is None else table.name,
        **{metric: whole.get(metric) for metric in MEASURED},
        "macs": int(np.asarray(space.macs(codes))[0]),
        "params": int(np.asarray(space.params(codes))[0]),
        "blocks": blocks,
    }


_SHOWN = (
    "operator",
    "input",
    "output",
    "kernel",
    "expansion",
    "stride",
    "se",
    "shortcut",
    "macs",
    "params",
)
