"""Requests that wait for the end of a job."""

import threading
from pathlib import Path
from typing import Any

from apiflask import APIFlask
from flask.testing import FlaskClient

from service.app import create_app
from service.context import service_of
from service.settings import Settings
from tests.service.api.conftest import SEARCH


def test_waiting_requests_are_limited(world: Any, tmp_path: Path, problem: Any) -> None:
    app = create_app(Settings(tmp_path, (world.tables,), (world.predictors,), waiting=1))
    service = service_of(app)
    service.waiting.acquire()
    answer = app.test_client().post("/search", json=SEARCH, headers={"Prefer": "wait=1"})
    problem(answer, 503, "busy")
    assert int(answer.headers["Retry-After"]) > 0
    assert service.store.jobs.list()[1] == 0  # what is to be tried again has left nothing
    assert app.test_client().post("/search", json=SEARCH).status_code == 202
    service.waiting.release()
    for _ in range(2):
        assert (
            app.test_client().post("/search", json=SEARCH, headers={"Prefer": "wait=1"}).status_code
            == 202
        )
    assert service.waiting.num_active == 0
    service.stop()


def test_a_long_wait_is_shortened_to_the_limit(app: APIFlask, http: FlaskClient) -> None:
    threading.Timer(0.2, service_of(app).stopping.set).start()
    answer = http.post("/search", json=SEARCH, headers={"Prefer": "wait=3600"})
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "wait=30")


def test_reading_a_job_waits_for_its_end(app: APIFlask, http: FlaskClient) -> None:
    store = service_of(app).store
    job_id = http.post("/search", json=SEARCH).json["id"]
    threading.Timer(0.1, lambda: store.jobs.cancel(job_id)).start()
    assert http.get(f"/search/{job_id}", headers={"Prefer": "wait=20"}).json["state"] == "cancelled"


def test_wait_is_refused_if_the_token_was_revoked_meanwhile(
    app: APIFlask, http: FlaskClient, problem: Any
) -> None:
    service = service_of(app)
    headers = {"Authorization": f"Bearer {service.store.tokens.create('ada')}"}
    job_id = http.post("/search", json=SEARCH, headers=headers).json["id"]
    timer = threading.Timer(0.2, service.store.tokens.revoke, ("ada",))
    timer.start()
    answer = http.get(f"/search/{job_id}", headers={**headers, "Prefer": "wait=1"})
    timer.join()
    problem(answer, 401, "unauthorized", "Authorization")
