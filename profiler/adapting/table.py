"""Lookup tables of new devices, adapted from those of other devices by a few measured networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.console.group import command_line
from spaces.registry import get
from spaces.space import Codes, SearchSpace
from tables.cost.solving import solve
from tables.cost.sums import block_sums
from tables.errors import InvalidTransfer
from tables.lookup_table import BlockCost, LookupTable
from tables.transfer import DeviceTransfer

Array = NDArray[np.float64]

_SOLVED_NETWORKS = 2000
"""Sampled networks whose predicted latencies block costs are solved from."""


@dataclass(frozen=True)
class Adaptation:
    """The known devices that a new device's table is adapted from.

    Args:
        space: Space of all tables.
        transfer: Transfer of latencies from the known devices.
        sources: Names of their tables.
    """

    space: SearchSpace
    transfer: DeviceTransfer
    sources: tuple[str, ...]

    @classmethod
    def from_tables(cls, tables: Sequence[LookupTable], seed: int = 0) -> Adaptation:
        """Compare the tables of known devices.

        Args:
            tables: Tables of one space, at least one.
            seed: Seed of the networks on which they are compared.

        Raises:
            InvalidTransfer: There is no table, they are of several spaces, or their networks run
                in several phases.
            MissingBlock: A table lacks a block of the space.
        """
        if not tables:
            raise InvalidTransfer("from: at least one table of another device is needed")
        for table in tables:
            if table.space != tables[0].space:
                raise InvalidTransfer(
                    f"from: {table.name!r} is a table of {table.space}, {tables[0].name!r} of"
                    f" {tables[0].space}; name tables of one space"
                )
            if table.phases:
                raise InvalidTransfer(
                    f"from: {table.name!r} has networks of text, which run in several phases;"
                    " measure a new device with python -m profiler build"
                )

        space = get(tables[0].space)
        sources = [table.cost_model(space) for table in tables]
        names = tuple(table.name for table in tables)
        return cls(space, DeviceTransfer(space, sources, seed=seed), names)

    def design(self, count: int) -> Codes:
        """Choose the networks [count, choices] to measure on the new device."""
        return self.transfer.design(count)


def adapted_table(
    adaptation: Adaptation,
    codes: Codes,
    latency_ms: Array,
    *,
    name: str,
    device: Mapping[str, Any],
    conditions: Mapping[str, Any],
    versions: Mapping[str, str] | None = None,
    command: str | None = None,
    seed: int = 0,
) -> LookupTable:
    """Make the table of a new device from a few measured networks.

    The blocks' costs are solved from the predicted latencies of sampled networks, so that their
    sums are the predictions; sigma includes the residuals of the sums.

    Args:
        adaptation: The known devices.
        codes: Codes [n, choices] of the measured networks.
        latency_ms: Their latencies [n] in milliseconds.
        name: Name of the table.
        device: Identity of the device.
        conditions: Backend, batch, precision and threads of the measurement.
        versions: Name -> version of the software that ran, in addition to Pathfit's own.
        command: Command that the table records. None: this process's command line.
        seed: Seed of the sampled networks.

    Raises:
        InvalidTransfer: There are too few networks, or a latency is not above 0.
    """
    from spaces import __version__

    space = adaptation.space
    latency = adaptation.transfer.fit(codes, latency_ms)
    sampled = space.sample(np.random.default_rng(seed), _SOLVED_NETWORKS)
    predicted = latency.predict(sampled)

    blocks = _solved_blocks(space, sampled, predicted)
    sums = block_sums(space, lambda block: blocks[block.key].latency_ms)(sampled)
    deviation_ms = latency.deviation(sampled) * predicted
    sigma = float(np.sqrt(np.mean(deviation_ms**2 + (sums - predicted) ** 2)))

    return LookupTable(
        name=name,
        space=space.name,
        device=dict(device),
        conditions=dict(conditions),
        versions={"pathfit": __version__, **(versions or {})},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command if command is not None else command_line(),
        seed=seed,
        measurement=None,
        blocks=blocks,
        networks=(),
        sigma_ms=round(sigma, 6),
    )


def _solved_blocks(space: SearchSpace, codes: Codes, latency_ms: Array) -> dict[str, BlockCost]:
    """Return the blocks' costs whose sums are closest to the latencies [n] of networks."""
    solution = solve(space, codes, latency_ms)
    return {
        # No block was measured itself.
        key: BlockCost(round(solution.costs[key], 6), None, None, block.macs, block.params)
        for key, block in sorted(space.all_blocks.items())
    }
