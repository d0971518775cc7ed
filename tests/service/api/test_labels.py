"""Names and tags of jobs: setting them, finding jobs by them, and removing jobs."""

from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from service.context import Service, service_of
from service.jobs import Job


@pytest.fixture
def service(app: APIFlask) -> Service:
    return service_of(app)


def create(service: Service, kind: str = "search", owner: str | None = None, **request: Any) -> Job:
    return service.store.jobs.create(kind, request, {}, owner)[0]


def found(http: FlaskClient, query: str, **headers: Any) -> list[str]:
    answer = http.get(f"/jobs?{query}", **headers)
    assert answer.status_code == 200, answer.get_json()
    assert answer.get_json()["total"] == len(answer.get_json()["jobs"])
    return [job["id"] for job in answer.get_json()["jobs"]]


def test_jobs_are_named_tagged_and_found_by_it(http: FlaskClient, service: Service) -> None:
    first = create(service, space="spos-tiny", device="Pixel 4")
    second = create(service, "retrain", space="nasbench201", data="digits")

    answer = http.patch(f"/jobs/{first.id}", json={"name": " Größe 1 ", "tags": ["Paper", "b_1"]})
    http.patch(f"/jobs/{second.id}", json={"tags": ["bx1"]})

    assert answer.status_code == 200
    assert (answer.get_json()["name"], answer.get_json()["tags"]) == ("Größe 1", ["b_1", "paper"])
    shown = http.get(f"/search/{first.id}").get_json()
    assert (shown["name"], shown["tags"]) == ("Größe 1", ["b_1", "paper"])
    # An underscore is no wildcard, and a part of a tag is no tag.
    assert found(http, "tag=B_1") == [first.id]
    assert found(http, "tag=pap") == []
    assert found(http, "text=pixel+GRÖSSE") == [first.id]
    assert found(http, f"text={second.id[:8]}") == [second.id]
    assert found(http, "text=digits&kind=search") == []
    assert found(http, "text=device") == []
    assert found(http, "text=%25") == []


def test_labels_that_are_left_out_do_not_change(http: FlaskClient, service: Service) -> None:
    job = create(service, space="x")
    http.patch(f"/jobs/{job.id}", json={"name": "baseline", "tags": ["a"]})

    assert http.patch(f"/jobs/{job.id}", json={"tags": []}).get_json()["name"] == "baseline"
    assert http.patch(f"/jobs/{job.id}", json={"name": ""}).get_json()["name"] is None

    assert found(http, "text=baseline") == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"tags": ["ok", ""]}, "tags.1"),
        ({"tags": ["a\u0000"]}, "tags.0"),
        ({"tags": [str(number) for number in range(21)]}, "tags"),
        ({"state": "done"}, "state"),
    ],
)
def test_unusable_labels_are_refused(
    http: FlaskClient, service: Service, problem: Any, body: Any, field: str
) -> None:
    job = create(service)
    answer = http.patch(f"/jobs/{job.id}", json=body)
    assert answer.status_code == 422
    assert answer.get_json()["field"] == field


def test_labels_and_removal_are_of_own_jobs_only(
    http: FlaskClient, service: Service, problem: Any
) -> None:
    tokens = service.store.tokens
    headers = {"headers": {"Authorization": f"Bearer {tokens.create('ada')}"}}
    job = create(service, owner="somebody else")
    service.store.jobs.cancel(job.id)

    answer = http.patch(f"/jobs/{job.id}", json={"name": "mine"}, **headers)
    problem(answer, 404, "unknown-search", "id")
    problem(http.delete(f"/jobs/{job.id}?remove=true", **headers), 404, "unknown-search", "id")

    assert service.store.jobs.get(job.id).name is None


def test_an_ended_job_is_removed_with_its_files(
    http: FlaskClient, service: Service, problem: Any
) -> None:
    create(service)
    claimed = service.store.leases.claim("test", 60)
    assert claimed is not None
    artifact = service.artifacts.write(claimed.id, claimed.attempt, "result.json", b"{}")
    http.patch(f"/jobs/{claimed.id}", json={"name": "baseline"})

    running = problem(http.delete(f"/jobs/{claimed.id}?remove=true"), 409, "conflict", "id")
    assert running["detail"].startswith("the job 'baseline' is running")
    service.store.jobs.finish(claimed.id, claimed.attempt, {}, artifact)
    problem(http.delete(f"/jobs/{claimed.id}"), 409, "conflict")

    assert http.delete(f"/jobs/{claimed.id}?remove=true").get_json()["name"] == "baseline"
    problem(http.get(f"/jobs/{claimed.id}"), 404, "unknown-search", "id")
    assert not service.artifacts.exists(artifact)
    problem(http.delete(f"/jobs/{claimed.id}?remove=true"), 404, "unknown-search", "id")
