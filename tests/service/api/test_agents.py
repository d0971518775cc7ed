"""`/agents`: who may register, take, report and measure; what comes of what was measured."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import spaces
from profiler.backends.registry import BACKENDS, register_backend
from profiler.instruments.devices import find
from profiler.refining import refine
from service import problems
from service.admission.measuring import verification_of
from service.catalog.names import Sender
from service.context import Service, service_of
from service.kinds import get
from service.kinds.base import Context, HandedOver, Outcome
from service.schemas.search import SearchRequest
from spaces.architecture import Architecture
from spaces.fingerprint import space_fingerprint
from tables import LookupTable
from tables.network_measurements import MeasuredNetwork, NetworkMeasurements
from tests.service.api.conftest import Problem
from tests.service.text_tables import decoder_table
from tests.steady import SteadyBackend, latency_of, steady_table

SPACE = spaces.get("spos-tiny")


@pytest.fixture(scope="module")
def table() -> LookupTable:
    return steady_table(SPACE, name="steady")


@pytest.fixture
def service(app: APIFlask) -> Service:
    return service_of(app)


@pytest.fixture
def tokens(service: Service) -> dict[str, dict[str, str]]:
    """Headers of two people, and of the agents of each."""
    create = service.store.tokens.create
    secrets = {name: create(name) for name in ("ada", "bob")}
    secrets["pi"] = create("pi", agent_of="ada")
    secrets["nano"] = create("nano", agent_of="bob")
    return {name: {"Authorization": f"Bearer {secret}"} for name, secret in secrets.items()}


def identity(name: str = "pi", threads: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "device": find("cpu").to_dict(),
        "backends": ["steady"],
        "threads": threads,
        "version": spaces.__version__,
        **more,
    }


def register(http: FlaskClient, name: str = "pi", **options: Any) -> dict[str, Any]:
    answer = http.post("/agents", json=identity(name), **options)
    assert answer.status_code == 200, answer.data
    body: dict[str, Any] = answer.json
    return body


def claim(http: FlaskClient, name: str = "pi", **options: Any) -> Any:
    answer = http.post(f"/agents/{name}/claims", json={}, **options)
    assert answer.status_code in (200, 204), answer.data
    return answer.json if answer.status_code == 200 else None


def report(http: FlaskClient, job: Any, state: str, name: str = "pi", **fields: Any) -> bool:
    options = {"headers": fields.pop("headers")} if "headers" in fields else {}
    body = {"attempt": job["attempt"], "state": state, **fields}
    answer = http.post(f"/agents/{name}/jobs/{job['id']}", json=body, **options)
    assert answer.status_code == 200, answer.data
    return bool(answer.json["held"])


def test_table_that_an_agent_builds_joins_the_catalog(http: FlaskClient, table: Any) -> None:
    assert register(http)["state"] == "ready"
    assert claim(http) is None
    request = {"device": "pi", "space": "spos-tiny", "budget_s": 5.0}
    answer = http.post("/tables", json=request)
    assert answer.status_code == 202, answer.data
    assert answer.headers["Location"] == f"/jobs/{answer.json['id']}"
    assert answer.json["request"]["name"] == "pi-spos-tiny"

    job = claim(http)
    assert job["measuring"]["task"] == "build"
    assert job["measuring"]["fingerprint"] == space_fingerprint(SPACE)
    assert http.get("/agents").json["items"][0]["state"] == "measuring"
    assert report(http, job, "running", progress={"fraction": 0.5, "state": "round 4"})
    assert http.get(f"/jobs/{job['id']}").json["progress"] == {
        "share": 0.5,
        "stage": "measuring on pi",
        "state": "round 4",
    }
    assert report(http, job, "done", table=table.to_dict())

    result = http.get(f"/jobs/{job['id']}").json["result"]
    assert (result["table"], result["version"], result["device"]) == ("pi-spos-tiny", 1, "pi")
    assert "pi-spos-tiny" in [item["name"] for item in http.get("/tables").json["items"]]
    # What comes later is ignored.
    assert not report(http, job, "done", table=table.to_dict())


def test_reported_failure_is_the_jobs(http: FlaskClient) -> None:
    register(http)
    http.post("/tables", json={"device": "pi", "space": "spos-tiny"})
    job = claim(http)
    assert report(http, job, "failed", error="space: spos-tiny has other networks")
    status = http.get(f"/jobs/{job['id']}").json
    assert status["state"] == "failed"
    assert status["error"]["detail"] == "pi: space: spos-tiny has other networks"


def test_table_of_another_space_is_not_taken(http: FlaskClient, table: Any) -> None:
    register(http)
    http.post("/tables", json={"device": "pi", "space": "spos-tiny"})
    job = claim(http)
    report(http, job, "done", table={**table.to_dict(), "space": "spos"})
    error = http.get(f"/jobs/{job['id']}").json["error"]
    assert "has sent a table of spos, not of spos-tiny" in error["detail"]


def test_validation_is_measured_on_the_tables_device(
    http: FlaskClient, table: LookupTable, problem: Problem
) -> None:
    register(http)
    assert http.post("/tables", json=table.to_dict()).status_code == 201
    body = {"device": "pi", "networks": 5, "rounds": 4}
    answer = http.post("/tables/steady/validation", json=body)
    assert answer.status_code == 202, answer.data
    job = claim(http)
    assert (job["measuring"]["task"], job["measuring"]["networks"]) == ("validate", 5)
    assert LookupTable.from_dict(job["measuring"]["table"]) == table
    assert report(http, job, "done", validation={"networks": 5})
    result = http.get(f"/jobs/{job['id']}").json["result"]
    assert result == {"table": "steady", "device": "pi", "validation": {"networks": 5}}

    problem(http.post("/tables/steadi/validation", json=body), 404, "unknown-table", "name")
    problem(http.post("/tables/made-up/validation", json=body), 422, "invalid-value", "device")


def test_returned_and_cancelled_jobs_are_no_longer_held(http: FlaskClient) -> None:
    register(http)
    http.post("/tables", json={"device": "pi", "space": "spos-tiny"})
    first = claim(http)
    assert report(http, first, "returned")
    assert not report(http, first, "running")

    second = claim(http)
    assert (second["id"], second["attempt"]) == (first["id"], 2)
    http.delete(f"/jobs/{first['id']}")
    assert not report(http, second, "running")
    assert claim(http) is None


def test_engines_leave_the_jobs_of_agents_alone(http: FlaskClient, service: Service) -> None:
    register(http)
    http.post("/tables", json={"device": "pi", "space": "spos-tiny"})
    assert service.store.jobs.queue_state() is None
    assert service.store.leases.claim("engine") is None
    job = claim(http)
    # A service that starts again leaves the job to its agent, which still reports.
    assert service.store.leases.recover() == 0
    assert report(http, job, "running")


def test_token_of_an_agent_opens_nothing_else(
    http: FlaskClient, tokens: dict[str, Any], problem: Problem
) -> None:
    headers = tokens["pi"]
    register(http, headers=headers)
    for method, path in (
        ("GET", "/jobs"),
        ("GET", "/tables"),
        ("GET", "/agents"),
        ("POST", "/search"),
        ("DELETE", "/agents/pi"),
        ("PUT", "/agents/pi/measurers"),
    ):
        answer = http.open(path, method=method, json={}, headers=headers)
        problem(answer, 403, "agents-only", "Authorization")
    problem(
        http.post("/agents", json=identity("nano"), headers=headers), 403, "another-agent", "name"
    )
    problem(
        http.post("/agents/nano/claims", json={}, headers=headers), 403, "another-agent", "name"
    )
    # A person's token is none of an agent.
    problem(http.post("/agents", json=identity("ada"), headers=tokens["ada"]), 403, "agent-needed")
    problem(http.post("/agents/pi/claims", json={}, headers=tokens["ada"]), 403, "agent-needed")


def test_owner_decides_who_may_measure(
    http: FlaskClient, tokens: dict[str, Any], problem: Problem
) -> None:
    register(http, headers=tokens["pi"])
    ada, bob = {"headers": tokens["ada"]}, {"headers": tokens["bob"]}
    request = {"device": "pi", "space": "spos-tiny"}
    assert http.get("/agents", **bob).json["items"] == []
    problem(http.post("/tables", json=request, **bob), 403, "not-a-measurer", "device")
    problem(
        http.put("/agents/pi/measurers", json={"measurers": ["bob"]}, **bob),
        403,
        "not-the-owner",
        "name",
    )

    answer = http.put("/agents/pi/measurers", json={"measurers": ["bob"]}, **ada)
    assert answer.json["measurers"] == ["bob"]
    assert [item["name"] for item in http.get("/agents", **bob).json["items"]] == ["pi"]
    assert http.get("/agents", **bob).json["items"][0]["measurers"] is None
    assert http.post("/tables", json=request, **bob).status_code == 202
    # The table is to be Bob's, on Ada's device.
    job = claim(http, headers=tokens["pi"])
    table = steady_table(SPACE)
    assert report(http, job, "done", table=table.to_dict(), headers=tokens["pi"])
    assert http.get(f"/jobs/{job['id']}", **bob).json["state"] == "done"
    assert http.get(f"/jobs/{job['id']}", **ada).status_code == 404

    http.put("/agents/pi/measurers", json={"measurers": []}, **ada)
    problem(http.post("/tables", json=request, **bob), 403, "not-a-measurer", "device")
    assert http.delete("/agents/pi", **ada).status_code == 200
    assert http.get("/agents", **ada).json["items"] == []


def test_bad_requests_name_their_fields(http: FlaskClient, problem: Problem) -> None:
    register(http)
    for body, slug, field in (
        ({"device": "nano", "space": "spos-tiny"}, "unknown-name", "device"),
        ({"device": "pi", "space": "spos-tin"}, "unknown-name", "space"),
        ({"device": "pi", "space": "spos-tiny", "backend": "tvm"}, "unknown-name", "backend"),
        ({"device": "pi", "space": "spos-tiny", "budget_s": 0}, "invalid-value", "budget_s"),
        ({"device": "pi", "space": "spos-tiny", "budget": 1}, "invalid-value", "budget"),
        ({"device": "pi", "space": "spos-tiny", "name": "made-up"}, "name-taken", "name"),
    ):
        status = 409 if slug == "name-taken" else 422
        problem(http.post("/tables", json=body), status, slug, field)
    search = {"space": "spos-tiny", "guide": {"name": "small"}}
    problem(http.post("/search", json={**search, "verify": 3}), 422, "invalid-value", "verify")
    problem(
        http.post("/search", json={**search, "measure_on": "pi"}),
        422,
        "invalid-value",
        "measure_on",
    )
    made_up = {**search, "device": "made-up", "verify": 3}
    problem(http.post("/search", json=made_up), 422, "invalid-value", "verify")
    problem(
        http.post("/search", json={**made_up, "measure_on": "pi"}),
        422,
        "invalid-value",
        "measure_on",
    )


def test_networks_of_text_are_measured_by_no_job(http: FlaskClient, problem: Problem) -> None:
    register(http)
    space = spaces.get("decoder-tiny")
    text = decoder_table(space)
    assert http.post("/tables", json=text.to_dict()).status_code == 201
    refused = http.post("/tables/text/validation", json={"device": "pi"})
    body = problem(refused, 422, "invalid-value", "name")
    assert "run in several phases" in body["detail"]

    request = SearchRequest(space=space.name, device="text", guide={"name": "any"}, verify=3)
    with pytest.raises(problems.Problem) as caught:
        verification_of(request, space, None, [], Sender())
    assert (caught.value.status, caught.value.field) == (422, "verify")
    assert "prefill_ms and decode_ms rather than one latency" in str(caught.value)


def test_device_without_torch_measures_exported_blocks_alone(
    http: FlaskClient, table: LookupTable, problem: Problem
) -> None:
    assert http.post("/agents", json=identity(has_torch=False)).json["has_torch"] is False
    assert http.get("/agents").json["items"][0]["has_torch"] is False
    assert http.post("/tables", json=table.to_dict()).status_code == 201

    build = http.post("/tables", json={"device": "pi", "space": "spos-tiny"})
    validation = http.post("/tables/steady/validation", json={"device": "pi"})
    for answer in (build, validation):
        body = problem(answer, 422, "invalid-value", "device")
        assert "torch is not installed on pi" in body["detail"]
        assert "not those of spos-tiny by steady in fp32" in body["detail"]

    # Networks of tables of onnxruntime and OpenVINO alone are joined from exported blocks.
    search = {"space": "spos-tiny", "guide": {"name": "small"}, "verify": 1}
    body = problem(
        http.post("/search", json={**search, "device": "steady"}), 422, "invalid-value", "verify"
    )
    assert "by onnxruntime or openvino in fp32" in body["detail"]
    exported = replace(
        table, name="exported", conditions={**table.conditions, "backend": "onnxruntime"}
    )
    assert http.post("/tables", json=exported.to_dict()).status_code == 201
    http.post("/agents", json=identity(has_torch=False, backends=["onnxruntime"]))
    answer = http.post("/search", json={**search, "device": "exported"})
    assert answer.status_code == 202, answer.data
    assert answer.json["request"]["measure_on"] == "pi"

    # Cells are no chains, and exported networks run in fp32.
    for fields in ({"space": "nasbench201"}, {"space": "spos-tiny", "precision": "int8"}):
        answer = http.post("/tables", json={"device": "pi", **fields})
        problem(answer, 422, "invalid-value", "device")
    assert http.post("/tables", json={"device": "pi", "space": "spos-tiny"}).status_code == 202


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
