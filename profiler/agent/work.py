"""The measuring tasks of agents: networks next to a table's references, tables, validations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from profiler.agent.claim import Claim
from profiler.agent.exported import ExportedNetworks, exported_backend, has_torch
from profiler.backends.base import Backend, Conditions
from profiler.backends.registry import make_backend
from profiler.errors import InvalidTask
from profiler.instruments.devices import Device
from profiler.whole_networks import check_measurable, measure_for_table
from spaces import __version__
from spaces.fingerprint import space_fingerprint
from spaces.registry import get
from spaces.space import SearchSpace
from tables.lookup_table import LookupTable
from tables.network_measurements import MeasuredNetwork, NetworkMeasurements

ROUNDS_PER_REPORT = 5
"""Rounds after which measured latencies are reported."""


_NEEDS_TORCH = (
    "torch is not installed on this device, and the service has exported no blocks for the job;"
    " install torch, or the same version of Pathfit at both ends"
)


@dataclass(frozen=True)
class Bench:
    """The device that an agent measures on.

    Args:
        device: Device of this machine.
        backends: Names of the runtimes that may be used.
        threads: Number of threads of every measurement.
    """

    device: Device
    backends: tuple[str, ...]
    threads: int

    def run(self, claim: Claim) -> None:
        """Run a claimed job to its end, and report what comes of it.

        Raises:
            JobLost: The job is no longer the agent's.
            PathfitError: It cannot be done here; the message has the reason.
        """
        task = claim.measuring
        kinds = {
            "networks": self._measure_networks,
            "build": self._build,
            "validate": self._validate,
        }
        if task.get("task") not in kinds:
            raise InvalidTask(
                f"task: this agent of Pathfit {__version__} knows {', '.join(kinds)}, not"
                f" {task.get('task')!r:.80}; install the version of the service,"
                f" {task.get('version')}"
            )
        space = _checked_space(task)
        kinds[task["task"]](claim, space)

    def _measure_networks(self, claim: Claim, space: SearchSpace) -> None:
        table = LookupTable.from_dict(claim.measuring["table"])
        backend = self._backend_of(table, claim)
        codes = space.check(np.array(claim.measuring["codes"]))
        rounds = int(claim.measuring["rounds"])

        measured = self._measured_before(claim, table)
        done = min(len(_rounds_of(measured, tuple(map(int, row)))) for row in codes)
        while done < rounds:
            count = min(ROUNDS_PER_REPORT, rounds - done)
            batch = measure_for_table(
                table,
                backend,
                self.device,
                codes,
                rounds=count,
                seed=done,
                progress=lambda fraction, state, done=done, count=count: claim.note_progress(
                    (done + fraction * count) / rounds, f"{len(codes)} networks, {state}"
                ),
            )
            measured = _joined(measured, batch)
            done += count
            claim.report("running", measured=measured.to_dict())
        claim.report("done")

    def _measured_before(self, claim: Claim, table: LookupTable) -> NetworkMeasurements:
        """Return what earlier attempts have measured, on this device and for this table."""
        if claim.measured is not None:
            measured = NetworkMeasurements.from_dict(claim.measured)
            measured.check_matches(table)
            return measured
        return NetworkMeasurements.for_table(table, self.device.to_dict(), {})

    def _build(self, claim: Claim, space: SearchSpace) -> None:
        from profiler.building.builder import Settings, build

        task = claim.measuring
        recorded = task["conditions"]
        table = build(
            space,
            self._backend(recorded, int(task["seed"]), claim),
            Settings(float(task["budget_s"]), threads=self.threads, seed=int(task["seed"])),
            name=str(task["name"]),
            device=self.device.to_dict(),
            conditions={**recorded, "threads": self.threads},
            command="python -m profiler agent",
            progress=claim.note_progress,
        )
        # An interrupted build returns a table of fewer rounds; here Ctrl-C gives the job back.
        if table.measured.stopped_by == "interrupt":
            raise KeyboardInterrupt
        claim.report("done", table=table.to_dict())

    def _validate(self, claim: Claim, space: SearchSpace) -> None:
        from profiler.validation import validate

        task = claim.measuring
        table = LookupTable.from_dict(task["table"])
        validation = validate(
            table,
            space,
            self._backend_of(table, claim),
            networks=int(task["networks"]),
            searched=int(task["searched"]),
            rounds=int(task["rounds"]),
            seed=int(task["seed"]),
            progress=claim.note_progress,
        )
        claim.report("done", validation=validation.to_dict())

    def _backend_of(self, table: LookupTable, claim: Claim) -> Backend:
        """Return the backend that a table was built with, under its conditions."""
        check_measurable(table, self.device)
        if table.conditions["threads"] != self.threads:
            raise InvalidTask(
                f"threads: {table.name!r} was measured with {table.conditions['threads']}, this"
                f" agent measures with {self.threads}"
            )
        return self._backend(table.conditions, table.seed, claim)

    def _backend(self, recorded: Mapping[str, Any], seed: int, claim: Claim) -> Backend:
        """Return the backend of a job; without torch, its networks are of exported blocks.

        Args:
            recorded: Conditions that a table records.
            seed: Seed of weights and inputs.
            claim: The job.
        """
        name = str(recorded["backend"])
        if name not in self.backends:
            raise InvalidTask(f"backend: {name!r} is not among {', '.join(self.backends)} here")

        conditions = Conditions(
            self.device.torch_name,
            int(recorded["batch"]),
            str(recorded["precision"]),
            self.threads,
            seed,
        )
        if has_torch():
            return make_backend(name, conditions)

        digests = claim.measuring.get("blocks")
        if digests is None:
            raise InvalidTask(_NEEDS_TORCH)
        networks = ExportedNetworks(digests, claim.block, conditions)
        return exported_backend(name, conditions, networks)


def _checked_space(task: Mapping[str, Any]) -> SearchSpace:
    """Return the space of a task; raises InvalidTask where it has other networks here."""
    space = get(str(task["space"]))
    if space_fingerprint(space) != task["fingerprint"]:
        raise InvalidTask(
            f"space: {space.name} has other networks in Pathfit {__version__} here than in"
            f" {task['version']} at the service; install the same version, with the same plug-ins"
        )
    return space


def _rounds_of(measured: NetworkMeasurements, codes: tuple[int, ...]) -> tuple[float, ...]:
    """Return the latencies of a network so far; empty before its first round."""
    for network in measured.networks:
        if network.codes == codes:
            return network.latency_ms
    return ()


def _joined(measured: NetworkMeasurements, batch: NetworkMeasurements) -> NetworkMeasurements:
    """Return measurements with the rounds of a batch added to those of the same networks."""
    by_codes = {network.codes: network for network in measured.networks}
    for network in batch.networks:
        earlier = by_codes.get(network.codes, MeasuredNetwork(network.codes, (), ()))
        by_codes[network.codes] = MeasuredNetwork(
            network.codes,
            earlier.latency_ms + network.latency_ms,
            earlier.reference_ms + network.reference_ms,
        )
    # Those of the batch, since the first ones have no versions yet.
    empty = NetworkMeasurements(
        batch.table,
        batch.space,
        batch.device,
        batch.conditions,
        batch.versions,
        measured.created,
        batch.reference_codes,
        batch.reference_ms,
    )
    return empty.with_networks(tuple(by_codes.values()))
