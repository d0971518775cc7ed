"""Measurements of a search's networks on this machine, which an interrupted search resumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption, InvalidRun
from oneshot.search.constraint import Limit
from oneshot.search.verification import METRIC
from profiler.backends.base import Backend
from profiler.backends.registry import make_backend_of
from profiler.instruments.devices import Device, find_like
from profiler.whole_networks import check_measurable, measure_for_table
from spaces.progress import Progress, silent
from spaces.space import Codes, SearchSpace
from tables.cost.model import CostSource
from tables.errors import InvalidMeasurements
from tables.lookup_table import LookupTable
from tables.metrics import canonical_metric
from tables.network_measurements import NetworkMeasurements


@dataclass(frozen=True)
class LocalDevice:
    """The device of this machine that a table was measured on.

    Args:
        table: Table whose conditions networks are measured under.
        device: Device of this machine.
        backend: The table's backend.
        rounds: Number of rounds.
        seed: Seed of the orders.
    """

    table: LookupTable
    device: Device
    backend: Backend
    rounds: int = 20
    seed: int = 0

    @classmethod
    def of_table(cls, table: LookupTable, rounds: int = 20, seed: int = 0) -> LocalDevice:
        """Return the device of a table on this machine.

        Args:
            table: Table that was measured here.
            rounds: Number of rounds.
            seed: Seed of the orders.

        Raises:
            InvalidTable: It was not measured here, or not at all.
            UnknownName: Its backend does not exist here.
        """
        device = find_like(table.device)
        check_measurable(table, device)
        backend = make_backend_of(table, device.torch_name)
        return cls(table, device, backend, rounds, seed)

    def measure(self, codes: Codes, progress: Progress = silent) -> NetworkMeasurements:
        """Measure networks [n, choices]; see `profiler.whole_networks.measure_for_table`."""
        return measure_for_table(
            self.table,
            self.backend,
            self.device,
            codes,
            rounds=self.rounds,
            seed=self.seed,
            progress=progress,
        )


class StoredMeasurements:
    """Measures each network once, and stores every measurement before the next one begins.

    Args:
        path: File of the measurements, which `python -m profiler refine` reads.
        table: Table whose conditions networks are measured under.
        measure: Function that measures networks [n, choices].
        resume: Whether measurements of an interrupted search are used.
        rounds: Rounds without which a network counts as not measured yet.

    Raises:
        InvalidRun: The file to resume has measurements for another table.
        InvalidMeasurements: The file to resume has no measurements.
    """

    def __init__(
        self,
        path: Path,
        table: LookupTable,
        measure: Callable[[Codes], NetworkMeasurements],
        resume: bool = False,
        rounds: int = 1,
    ):
        self.path = path
        self.measure = measure
        self.rounds = rounds
        self.stored: NetworkMeasurements | None = None
        if resume and path.exists():
            self.stored = NetworkMeasurements.read(path)
            try:
                self.stored.check_matches(table)
            except InvalidMeasurements as error:
                raise InvalidRun(f"{path}: {error}") from error

    def __len__(self) -> int:
        return 0 if self.stored is None else len(self.stored.networks)

    def has(self, codes: Codes) -> NDArray[np.bool_]:
        """Return which networks [n] of codes [n, choices] are measured."""
        networks = () if self.stored is None else self.stored.networks
        present = {net.codes for net in networks if len(net.latency_ms) >= self.rounds}
        return np.array([tuple(map(int, row)) in present for row in codes], dtype=bool)

    def __call__(self, codes: Codes) -> NetworkMeasurements:
        """Return all measurements so far, those of codes [n, choices] among them."""
        missing = ~self.has(codes)
        if missing.any():
            measured = self.measure(np.asfortranarray(codes[missing]))
            if self.stored is None:
                self.stored = measured
            else:
                self.stored = self.stored.with_networks(measured.networks)
            self.stored.save(self.path)

        assert self.stored is not None
        return self.stored


def check_single_phase(space: SearchSpace) -> None:
    """Check that networks have one latency, which a verification can order them by.

    Args:
        space: Space of the search.

    Raises:
        InvalidOption: They run in several phases, such as the prompt and the tokens of a decoder.
    """
    if space.phases:
        names = " and ".join(f"{phase}_ms" for phase in space.phases)
        raise InvalidOption(
            f"verify: networks of {space.name} have {names} rather than one latency, and no search"
            " measures them yet; leave verify out, and measure what the search finds with python"
            " -m profiler measure"
        )


def table_to_verify(
    space: SearchSpace,
    limits: Sequence[Limit],
    load: Callable[[str], CostSource],
    table: LookupTable | None = None,
) -> tuple[LookupTable, float | None]:
    """Return the table under whose conditions a search is verified, and the limit to keep.

    Args:
        space: Space of the search.
        limits: Limits of the search.
        load: Loads a device's costs by the name or path of its table.
        table: Table that the user names. None: that of the first limit of a latency.

    Returns:
        The table, and the least limit of the latency on its device. None: there is no such limit.

    Raises:
        InvalidOption: Networks of the space run in several phases, no table is known, or it is of
            another space.
    """
    check_single_phase(space)
    sources = [
        (load(limit.table), limit.maximum)
        for limit in limits
        if limit.table is not None and canonical_metric(limit.metric) == METRIC
    ]
    limited = [(source, limit) for source, limit in sources if isinstance(source, LookupTable)]
    if table is None and limited:
        table = limited[0][0]
    if table is None:
        raise InvalidOption(
            "verify: no table has the conditions to measure under; limit latency_ms@TABLE by a"
            " table that was measured on this machine, or name one with --table"
        )
    if table.space != space.name:
        raise InvalidOption(
            f"verify: {table.name!r} is a table of {table.space}, the search is of {space.name};"
            " name a table of that space"
        )

    maxima = [limit for source, limit in limited if _is_same_device(source, table)]
    return table, min(maxima, default=None)


def _is_same_device(first: LookupTable, second: LookupTable) -> bool:
    """Return whether two tables are of one device under the same conditions."""
    names = ("backend", "batch", "precision", "threads")
    return all(first.conditions[name] == second.conditions[name] for name in names) and all(
        first.device[name] == second.device[name] for name in ("kind", "processor")
    )
