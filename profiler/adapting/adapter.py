"""Adaptation of a table on the device itself: design, measurement and fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from profiler.adapting.measuring import measure_designed
from profiler.adapting.table import Adaptation, adapted_table
from profiler.backends.base import Backend, executed_conditions
from spaces.progress import Progress, silent
from tables.lookup_table import LookupTable
from tables.transfer import DESIGN_SIZE


def adapt(
    adaptation: Adaptation,
    backend: Backend,
    *,
    name: str,
    device: Mapping[str, Any],
    conditions: Mapping[str, Any],
    networks: int = DESIGN_SIZE,
    budget_s: float = 30.0,
    threads: int = 1,
    seed: int = 0,
    command: str | None = None,
    progress: Progress = silent,
) -> LookupTable:
    """Measure a few networks on a new device and make its table from them and known devices.

    Ctrl-C ends the measurement: the table is then adapted by the rounds so far.

    Args:
        adaptation: The known devices.
        backend: Backend that runs networks on the new device.
        name: Name of the table.
        device: Identity of the device.
        conditions: Backend, batch, precision and threads, which the table records.
        networks: Number of networks to measure.
        budget_s: Seconds after which no further round begins.
        threads: Number of torch threads on the processor.
        seed: Seed of the measurement's orders and of the sampled networks.
        command: Command that the table records. None: this process's command line.
        progress: Called after every round with the fraction of the budget that is spent.
    """
    measured = measure_designed(
        adaptation.space,
        backend,
        adaptation.design(networks),
        budget_s=budget_s,
        threads=threads,
        seed=seed,
        progress=progress,
    )
    table = adapted_table(
        adaptation,
        measured.codes,
        measured.latency_ms,
        name=name,
        device=device,
        # A runtime may run with other conditions than were requested.
        conditions={**conditions, **executed_conditions(backend, threads)},
        versions=backend.versions(),
        command=command,
        seed=seed,
    )
    return replace(table, measurement=measured.measurement, networks=measured.samples)
