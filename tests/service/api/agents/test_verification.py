"""Searches whose best networks are measured on a device before they end."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from profiler.backends.registry import BACKENDS, register_backend
from profiler.refining import refine
from service.context import Service
from service.kinds import get
from service.kinds.base import Context, HandedOver, Outcome
from spaces.architecture import Architecture
from tables import LookupTable
from tables.network_measurements import MeasuredNetwork, NetworkMeasurements
from tests.service.api.agents.requests import SPACE, claim, register, report
from tests.service.api.conftest import Problem
from tests.steady import SteadyBackend, latency_of


class NoReports:
    """Receives nothing and cancels nothing."""

    def progress(self, progress: Any) -> None:
        """Ignore the progress."""

    def cancelled(self) -> bool:
        """Return that it is not cancelled."""
        return False


def run_search(service: Service, tmp_path: Any) -> Outcome | HandedOver:
    """Run the queued search as a worker does, and record what an engine would."""
    job = service.store.leases.claim("engine")
    assert job is not None
    folder = tmp_path / str(job.attempt)
    folder.mkdir()
    context = Context(job.id, job.attempt, folder, service.artifacts, NoReports())
    outcome = get(job.kind).run(job.task, context)
    if isinstance(outcome, HandedOver):
        needs = (outcome.agent, outcome.measuring, outcome.within_s)
        service.store.jobs.hand_over(job.id, job.attempt, *needs)
    else:
        paths = [
            service.artifacts.write(job.id, job.attempt, name, content)
            for name, content in outcome.artifacts.items()
            if content is not None
        ]
        service.store.jobs.finish(job.id, job.attempt, outcome.result, paths[0])
    return outcome


def measured(job: Any, table: LookupTable, factor: float) -> dict[str, Any]:
    """Return what an agent reports for a job: the blocks' sums times a factor."""
    before = job["measured"]
    empty = NetworkMeasurements.for_table(table, table.device, {})
    measurements = empty if before is None else NetworkMeasurements.from_dict(before)
    sums = table.cost_model(SPACE).estimate(np.array(job["measuring"]["codes"]))
    reference = table.measured.reference_ms
    networks = tuple(
        MeasuredNetwork(tuple(row), (float(ms) * factor,) * 20, (reference,) * 20)
        for row, ms in zip(job["measuring"]["codes"], sums, strict=True)
    )
    return measurements.with_networks(networks).to_dict()


def post_search(http: FlaskClient, table: LookupTable, **fields: Any) -> str:
    assert http.post("/tables", json=table.to_dict()).status_code == 201
    body = {
        "space": "spos-tiny",
        "guide": {"name": "small"},
        "device": "steady",
        "constraints": {"latency_ms": {"max": 1.6}},
        "strategy": {"options": {"generations": 2}},
        "verify": 2,
        **fields,
    }
    answer = http.post("/search", json=body)
    assert answer.status_code == 202, answer.data
    return str(answer.json["id"])


def test_search_waits_for_the_device_and_replaces_what_breaks_the_limit(
    http: FlaskClient, service: Service, table: LookupTable, tmp_path: Any
) -> None:
    register(http)
    search = post_search(http, table)
    assert http.get(f"/search/{search}").json["request"]["measure_on"] == "pi"
    assert isinstance(run_search(service, tmp_path), HandedOver)

    # All of the first two are too slow on the device, so that others are measured.
    job = claim(http)
    assert (job["id"], job["attempt"], len(job["measuring"]["codes"])) == (search, 2, 2)
    first = [tuple(row) for row in job["measuring"]["codes"]]
    assert report(http, job, "running", measured=measured(job, table, 2.0))
    assert report(http, job, "done")
    assert isinstance(run_search(service, tmp_path), HandedOver)

    job = claim(http)
    assert (job["attempt"], len(job["measuring"]["codes"])) == (4, 2)
    assert {tuple(net["codes"]) for net in job["measured"]["networks"]} == set(first)
    assert not set(first) & {tuple(row) for row in job["measuring"]["codes"]}
    assert report(http, job, "running", measured=measured(job, table, 0.9))
    assert report(http, job, "done")
    assert isinstance(run_search(service, tmp_path), Outcome)

    result = http.get(f"/search/{search}").json["result"]
    verification = result["verification"]
    assert result["files"] == ["measured.json"]
    content = http.get(f"/jobs/{search}/files/measured.json").data
    refined = refine(table, NetworkMeasurements.from_dict(json.loads(content)), command="test")
    assert len(refined.networks) == len(table.networks) + 4
    assert len(verification["networks"]) == len(verification["excluded"]) == 2
    for network in verification["networks"]:
        assert network["measured_ms"] == pytest.approx(0.9 * network["predicted_ms"], rel=1e-3)


def test_search_ends_with_what_is_predicted_where_the_device_is_away(
    http: FlaskClient, service: Service, table: LookupTable, tmp_path: Any
) -> None:
    register(http)
    search = post_search(http, table, verify_within_s=1.0)
    assert isinstance(run_search(service, tmp_path), HandedOver)
    assert service.store.agents.end_waits() == 0
    row_time = service.store.jobs.get(search).created
    service.store.database._clock = lambda: row_time + 60
    assert service.store.agents.end_waits() == 1
    assert claim(http) is None
    assert isinstance(run_search(service, tmp_path), Outcome)
    verification = http.get(f"/search/{search}").json["result"]["verification"]
    assert verification["networks"] == []
    assert verification["note"].startswith("pi has not measured within 1 s")


def test_measurements_of_another_device_fail_the_search(
    http: FlaskClient, service: Service, table: LookupTable, tmp_path: Any
) -> None:
    register(http)
    post_search(http, table)
    run_search(service, tmp_path)
    job = claim(http)
    foreign = replace(table, device={**table.device, "processor": "abacus"})
    report(http, job, "running", measured=measured(job, foreign, 1.0))
    report(http, job, "done")
    with pytest.raises(Exception, match=r"device\.processor: .* 'abacus'"):
        run_search(service, tmp_path)


def test_two_agents_on_one_device_are_told_apart_by_name(
    http: FlaskClient, table: LookupTable, problem: Problem
) -> None:
    register(http, "pi")
    register(http, "pi-2")
    http.post("/tables", json=table.to_dict())
    search = {"space": "spos-tiny", "guide": {"name": "small"}, "device": "steady", "verify": 1}
    answer = problem(http.post("/search", json=search), 422, "invalid-value", "measure_on")
    assert answer["known"] == ["pi", "pi-2"]
    answer = http.post("/search", json={**search, "measure_on": "pi-2"})
    assert answer.json["request"]["measure_on"] == "pi-2"


def test_service_measures_on_its_own_machine_where_no_agent_is(
    http: FlaskClient, service: Service, table: LookupTable, tmp_path: Any
) -> None:
    search = post_search(http, table)
    assert http.get(f"/search/{search}").json["request"]["measure_on"] is None
    with BACKENDS.preserved():
        register_backend("steady")(SteadyBackend)
        assert isinstance(run_search(service, tmp_path), Outcome)
    verification = http.get(f"/search/{search}").json["result"]["verification"]
    assert len(verification["networks"]) == 2
    for network in verification["networks"]:
        architecture = Architecture.from_dict(network["architecture"])
        assert network["raw_ms"] == pytest.approx(latency_of(SPACE, architecture), rel=1e-3)
