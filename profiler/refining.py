"""New versions of a lookup table, with networks that were measured after its build."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from spaces.console.group import command_line
from spaces.registry import get
from tables.errors import InvalidMeasurements, InvalidTable
from tables.lookup_table import LookupTable
from tables.network_measurements import NetworkMeasurements

MAX_ERROR = 0.05
"""Relative standard error of a latency beyond which it does not correct a table.

Estimates of a table deviate by one to three percent.
"""


def refine(
    table: LookupTable,
    measurements: NetworkMeasurements,
    *,
    name: str | None = None,
    command: str | None = None,
) -> LookupTable:
    """Return a table with further measured networks, which correct its block sums.

    Networks whose latency has a standard error of more than 5% are left out: they were measured
    while other processes used the device, and would make the estimates worse.

    Args:
        table: Table that was built on the device.
        measurements: Networks that were measured next to the table's reference networks.
        name: Name of the new table. None: that of `table`.
        command: Command that the new table records. None: this process's command line.

    Raises:
        InvalidTable: The table has no whole networks that correct its sums.
        InvalidMeasurements: The networks are of another space or device, were measured under other
            conditions or next to other references, are in the table already, or all have errors
            beyond 5%.
        InvalidArchitecture: The space has no architecture of some codes.

    Example:
        >>> import tables
        >>> from tables.network_measurements import MeasuredNetwork, NetworkMeasurements
        >>> table = tables.load("amd-epyc-spos-b1-fp32-t2")
        >>> measurements = NetworkMeasurements.for_table(table, table.device, {}).with_networks(
        ...     (MeasuredNetwork(table.networks[0].codes, (30.0, 31.0, 30.5), (15.0, 15.5, 15.2)),)
        ... )
        >>> refined = refine(table, measurements, command="example")
        >>> len(refined.networks) - len(table.networks)
        1
    """
    check_refinable(table)
    measurements.check_matches(table)
    if not measurements.networks:
        raise InvalidMeasurements("networks: there is none to add to the table")

    space = get(table.space)
    space.check(np.array([network.codes for network in measurements.networks]))
    present = set(table.networks)
    exact = without_unsteady(measurements)
    samples = tuple(item for item in exact.samples(table) if item not in present)
    if not samples:
        raise InvalidMeasurements(
            f"networks: all {len(exact.networks)} measurements are in {table.name!r}"
            " already; measure again, or other networks"
        )

    return replace(
        table,
        name=table.name if name is None else name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command_line() if command is None else command,
        networks=table.networks + samples,
    )


def without_unsteady(measurements: NetworkMeasurements) -> NetworkMeasurements:
    """Return the measurements whose standard errors are small enough to correct a table.

    Raises:
        InvalidMeasurements: There is none.
    """
    errors = [measurements.relative_error(network) for network in measurements.networks]
    exact = tuple(
        network
        for network, error in zip(measurements.networks, errors, strict=True)
        if error <= MAX_ERROR
    )
    if not exact:
        raise InvalidMeasurements(
            f"networks: all {len(errors)} latencies have standard errors of more than"
            f" {MAX_ERROR:.0%}, the least {min(errors):.0%}, since other processes used the device;"
            " measure again when it is idle"
        )
    return replace(measurements, networks=exact)


def check_refinable(table: LookupTable) -> None:
    """Check that measured networks correct a table; raises InvalidTable."""
    # Raises where the table was imported.
    table.measured  # noqa: B018
    if table.phases:
        raise InvalidTable(
            f"{table.name!r} has networks of text, which run in several phases; build it again with"
            " python -m profiler build"
        )
    if table.sigma_ms is not None:
        raise InvalidTable(
            f"{table.name!r} was adapted from other devices, by all of its measured networks; adapt"
            " it again with more of them: python -m profiler adapt --networks 20"
        )
