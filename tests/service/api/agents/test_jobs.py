"""Jobs of agents: who takes them, what is reported, and what comes of it."""

from typing import Any

from flask.testing import FlaskClient

from service.context import Service
from spaces.fingerprint import space_fingerprint
from tables import LookupTable
from tests.service.api.agents.requests import SPACE, claim, register, report
from tests.service.api.conftest import Problem


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
