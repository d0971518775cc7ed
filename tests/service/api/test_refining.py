"""`POST /tables/{name}/refinement`: what a verified search changes of a table, and refusals."""

from dataclasses import replace

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import spaces
from profiler.refining import refine
from service.context import Service, service_of
from tables import LookupTable
from tests.service.api.conftest import Problem
from tests.service.verified import end_verified_search
from tests.steady import steady_table

SPACE = spaces.get("spos-tiny")
SEARCH = {"space": "spos-tiny", "guide": {"name": "small"}}


@pytest.fixture(scope="module")
def table() -> LookupTable:
    return steady_table(SPACE, name="steady")


@pytest.fixture
def service(app: APIFlask) -> Service:
    return service_of(app)


def post_search(http: FlaskClient) -> str:
    answer = http.post("/search", json=SEARCH)
    assert answer.status_code == 202, answer.data
    return str(answer.json["id"])


def test_measured_networks_become_a_version_of_the_table(
    http: FlaskClient, service: Service, table: LookupTable, problem: Problem
) -> None:
    assert http.post("/tables", json=table.to_dict()).status_code == 201
    post_search(http)
    search, measurements = end_verified_search(service, table)
    answer = http.post("/tables/steady/refinement", json={"search": search})
    assert answer.status_code == 201, answer.data
    assert (answer.json["name"], answer.json["version"]) == ("steady", 2)
    assert (answer.json["added"], answer.json["networks"]) == (3, len(table.networks) + 3)

    new, _ = service.catalog.table("steady")
    expected = refine(table, measurements, command="test")
    assert new.networks == expected.networks
    assert search in new.command
    sigmas = [item.cost_model(SPACE).sigma for item in (table, expected)]
    assert [answer.json["sigma_before_ms"], answer.json["sigma_ms"]] == pytest.approx(sigmas)

    again = http.post("/tables/steady/refinement", json={"search": search})
    body = problem(again, 422, "invalid-value", "search")
    assert "all 3 measurements are in 'steady' already" in body["detail"]


def test_new_version_may_have_another_name(
    http: FlaskClient, service: Service, table: LookupTable
) -> None:
    http.post("/tables", json=table.to_dict())
    post_search(http)
    search, _ = end_verified_search(service, table)
    answer = http.post("/tables/steady/refinement", json={"search": search, "name": "learned"})
    assert (answer.json["name"], answer.json["version"]) == ("learned", 1)
    assert service.catalog.table("steady")[0] == table
    assert service.catalog.table("learned")[0].name == "learned"


def test_refusals_name_what_is_missing(
    http: FlaskClient, service: Service, table: LookupTable, problem: Problem
) -> None:
    http.post("/tables", json=table.to_dict())
    search = post_search(http)
    path = "/tables/steady/refinement"
    problem(http.post(path, json={"search": search}), 409, "conflict", "id")
    end_verified_search(service, table)
    unknown = http.post("/tables/steadi/refinement", json={"search": search})
    problem(unknown, 404, "unknown-table", "name")
    assert http.post(path, json={"search": "none"}).status_code == 404
    problem(http.post(path, json={}), 422, "invalid-value", "search")
    refused = http.post("/tables/made-up/refinement", json={"search": search})
    assert "device.processor" in problem(refused, 422, "invalid-value", "search")["detail"]
    imported = replace(table, measurement=None, networks=(), name="imported")
    http.post("/tables", json=imported.to_dict())
    refused = http.post("/tables/imported/refinement", json={"search": search})
    assert "was imported" in problem(refused, 422, "invalid-value", "name")["detail"]

    unmeasured = post_search(http)
    job = service.store.leases.claim("test", 60)
    assert job is not None
    artifact = service.artifacts.write(job.id, job.attempt, "result.json", b"{}")
    service.store.jobs.finish(job.id, job.attempt, {}, artifact)
    body = problem(http.post(path, json={"search": unmeasured}), 409, "conflict", "search")
    assert "has measured no networks" in body["detail"]
