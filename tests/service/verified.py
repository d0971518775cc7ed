"""Searches whose best networks were measured, as they are stored once they have ended."""

import json
from dataclasses import replace

from oneshot.search.loop import run_search
from oneshot.search.verification import Verification, verify
from profiler.backends.base import Conditions
from profiler.instruments.devices import find
from profiler.whole_networks import measure_for_table
from service.admission.tasks import SearchTask
from service.context import Service
from service.kinds.search import problem_of
from tables import LookupTable
from tables.network_measurements import NetworkMeasurements
from tests.steady import SteadyBackend


def end_verified_search(service: Service, table: LookupTable) -> tuple[str, NetworkMeasurements]:
    """End the oldest queued search with three networks that were measured; return its id."""
    job = service.store.leases.claim("test", 60)
    assert job is not None
    found = run_search(
        problem_of(SearchTask.from_dict(job.task)), "random", options={"evaluations": 12}
    )
    measurements = measure_for_table(
        table, SteadyBackend(Conditions("cpu")), find("cpu"), found.codes[:3], rounds=3
    )
    verification: Verification = verify(found.codes, 3, table, None, lambda codes: measurements)

    value = {**replace(found, verification=verification).to_dict(1), "files": ["measured.json"]}
    write = service.artifacts.write
    write(job.id, job.attempt, "measured.json", json.dumps(measurements.to_dict()).encode())
    artifact = write(job.id, job.attempt, "result.json", json.dumps(value).encode())
    del value["candidates"]
    service.store.jobs.finish(job.id, job.attempt, value, artifact)
    return job.id, measurements
