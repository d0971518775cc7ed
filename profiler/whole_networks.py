"""Measurement of whole networks next to a table's references, so that latencies compare with it."""

from __future__ import annotations

import numpy as np

from profiler.backends.base import Backend, executed_conditions
from profiler.errors import UnsupportedConditions
from profiler.instruments.devices import Device
from profiler.validation import measure_networks
from spaces.progress import Progress, silent
from spaces.registry import get
from spaces.space import Codes
from tables.errors import InvalidTable
from tables.lookup_table import LookupTable
from tables.network_measurements import MeasuredNetwork, NetworkMeasurements


def check_single_latency(table: LookupTable) -> None:
    """Check that networks of a table have one latency; raises InvalidTable."""
    if table.phases:
        raise InvalidTable(
            f"{table.name!r} has networks of text, which run in several phases; measure them with"
            " python -m profiler measure, and validate the table with python -m profiler validate"
        )


def check_measurable(table: LookupTable, device: Device) -> None:
    """Check that networks can be measured on this machine so that a table's estimates compare.

    Args:
        table: The table.
        device: Device of this machine.

    Raises:
        InvalidTable: The table was imported, its networks run in several phases, or it was measured
            on another device.
    """
    # Raises where the table was imported.
    table.measured  # noqa: B018
    check_single_latency(table)

    recorded = table.device
    if (recorded["kind"], recorded["processor"]) != (device.kind, device.processor):
        raise InvalidTable(
            f"{table.name!r} was measured on {recorded['processor']}, this machine has"
            f" {device.processor}; name a table that was measured here"
        )


def measure_for_table(
    table: LookupTable,
    backend: Backend,
    device: Device,
    codes: Codes,
    *,
    rounds: int = 20,
    seed: int = 0,
    progress: Progress = silent,
) -> NetworkMeasurements:
    """Measure networks under the conditions of a table, with its reference networks between them.

    Args:
        table: Table that was measured on the device; see `check_measurable`.
        backend: Its backend, under its conditions.
        device: Device of this machine.
        codes: Codes [n, choices] of the networks.
        rounds: Number of rounds.
        seed: Seed of the orders.
        progress: Called with the fraction of rounds that are done.

    Raises:
        UnsupportedConditions: The runtime ran the networks under other conditions than the table's.
    """
    rng = np.random.default_rng(seed)
    reference_ms = table.measured.reference_ms
    space = get(table.space)
    raw, corrected, _ = measure_networks(table, space, backend, codes, rounds, rng, progress)
    states = raw / corrected * reference_ms

    _check_executed(table, executed_conditions(backend, int(table.conditions["threads"])))
    networks = tuple(
        MeasuredNetwork(
            tuple(map(int, row)),
            tuple(round(float(ms), 6) for ms in raw[index]),
            tuple(round(float(ms), 6) for ms in states[index]),
        )
        for index, row in enumerate(codes)
    )
    empty = NetworkMeasurements.for_table(table, device.to_dict(), backend.versions())
    return empty.with_networks(networks)


def _check_executed(table: LookupTable, executed: dict[str, object]) -> None:
    for name, value in executed.items():
        recorded = table.conditions.get(name)
        # Which cores a process may use is no condition of the runtime.
        if name != "affinity" and recorded is not None and recorded != value:
            raise UnsupportedConditions(
                f"conditions.{name}: {table.name!r} was measured with {recorded!r}, this machine"
                f" ran the networks with {value!r}; build a table here"
            )
