"""Lists of jobs."""

from typing import Any

from apiflask import APIFlask
from flask.testing import FlaskClient

import spaces
from service.context import service_of
from tests.service.api.conftest import SEARCH


def test_jobs_of_every_kind_are_listed_and_filtered(
    app: APIFlask, http: FlaskClient, problem: Any
) -> None:
    store = service_of(app).store
    first = http.post("/search", json=SEARCH).json["id"]
    second = http.post(
        "/retrain", json={"architecture": spaces.get("spos-tiny").architecture([0] * 6).to_dict()}
    ).json["id"]
    store.jobs.cancel(first)
    listed = {
        query: [job["id"] for job in http.get(f"/jobs?{query}").json["jobs"]]
        for query in (
            "",
            "kind=search",
            "kind=retrain",
            "state=queued",
            "state=cancelled",
            "space=spos-tiny",
            "space=spos",
            "limit=1",
        )
    }
    assert listed == {
        "": [second, first],
        "kind=search": [first],
        "kind=retrain": [second],
        "state=queued": [second],
        "state=cancelled": [first],
        "space=spos-tiny": [second, first],
        "space=spos": [],
        "limit=1": [second],
    }
    assert [job["id"] for job in http.get("/search?state=cancelled").json["searches"]] == [first]
    for query, field in (
        ("kind=x", "kind"),
        ("state=x", "state"),
        ("limit=1_0", "limit"),
        ("colour=red", "colour"),
    ):
        problem(http.get(f"/jobs?{query}"), 422, "invalid-value", field)
    problem(http.get(f"/search/{second}"), 404, "unknown-search", "id")
