"""Access: tokens, sessions, owners, limits, other sites, and security headers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from service.app import create_app
from service.context import service_of
from service.operation import logs
from service.settings import InvalidSetting, Settings

SEARCH = {"space": "spos-tiny", "device": "made-up"}


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def tokens(app: APIFlask) -> tuple[str, str]:
    """Two tokens, the first one for two unfinished jobs at a time."""
    created = service_of(app).store.tokens
    return created.create("ada", quota=2), created.create("bob")


def exposed(world: Any, folder: Path) -> APIFlask:
    settings = Settings(
        folder,
        (world.tables,),
        (world.predictors,),
        "0.0.0.0",
        behind_proxy=True,
        allowed_hosts=("nas.example",),
    )
    return create_app(settings)


@pytest.fixture
def public(world: Any, tmp_path: Path) -> Iterator[APIFlask]:
    """A service that others reach, behind a proxy."""
    app = exposed(world, tmp_path)
    yield app
    service_of(app).stop()


def test_every_request_needs_a_token_once_one_exists(
    app: APIFlask, http: FlaskClient, problem: Any
) -> None:
    assert http.get("/search").status_code == 200
    secret = service_of(app).store.tokens.create("ada")
    answer = http.get("/search")
    problem(answer, 401, "unauthorized", "Authorization")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert http.get("/search", headers=bearer(secret)).status_code == 200
    for public in ("/healthz", "/openapi.json", "/metrics"):
        assert http.get(public).status_code == 200
    assert http.get("/nowhere").status_code == 404


def test_revoking_the_last_token_keeps_the_service_closed(
    app: APIFlask, http: FlaskClient, problem: Any
) -> None:
    store = service_of(app).store
    secret = store.tokens.create("ada")
    store.tokens.revoke("ada")
    for headers in ({}, bearer(secret)):
        problem(http.get("/search", headers=headers), 401, "unauthorized", "Authorization")
    assert create_app(service_of(app).settings).test_client().get("/search").status_code == 401


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer x", "Basic YTpi", "pathfit_x", "Bearer pathfit_" + "a" * 60, "\xe9"],
)
def test_malformed_tokens_are_refused_even_if_none_is_needed(
    http: FlaskClient, problem: Any, header: str
) -> None:
    problem(
        http.get("/search", headers={"Authorization": header}), 401, "unauthorized", "Authorization"
    )


def test_an_expired_token_is_refused(world: Any, tmp_path: Path) -> None:
    now = 1_000_000.0
    app = create_app(world.settings(tmp_path), clock=lambda: now)
    http = app.test_client()
    secret = service_of(app).store.tokens.create("ada", expires=now + 1)
    assert http.get("/search", headers=bearer(secret)).status_code == 200

    now += 1
    assert http.get("/search", headers=bearer(secret)).status_code == 401
    service_of(app).stop()


def test_jobs_of_other_owners_are_not_found(
    app: APIFlask, http: FlaskClient, problem: Any, tokens: tuple[str, str]
) -> None:
    mine, others = map(bearer, tokens)
    job_id = http.post("/search", json=SEARCH, headers=mine).json["id"]
    paths = ["", "/events", "/front.csv", "/architectures/0"]
    for path in [
        *(f"/search/{job_id}{path}" for path in paths),
        f"/jobs/{job_id}",
        f"/jobs/{job_id}/artifact",
    ]:
        problem(http.get(path, headers=others), 404, "unknown-search", "id")
    problem(http.delete(f"/search/{job_id}", headers=others), 404, "unknown-search", "id")
    again = {"search": {"id": job_id}}
    problem(http.post("/retrain", json=again, headers=others), 404, "unknown-search", "id")
    for path in ("/search", "/jobs"):
        assert http.get(path, headers=others).json["total"] == 0
        assert http.get(path, headers=mine).json["total"] == 1
    assert http.delete(f"/search/{job_id}", headers=mine).json["state"] == "cancelled"


def test_a_token_is_limited_to_its_quota_of_unfinished_jobs(
    app: APIFlask, http: FlaskClient, problem: Any, tokens: tuple[str, str]
) -> None:
    first = http.post("/search", json=SEARCH, headers=bearer(tokens[0])).json["id"]
    http.post("/search", json=SEARCH, headers=bearer(tokens[0]))
    answer = http.post("/search", json=SEARCH, headers=bearer(tokens[0]))
    assert problem(answer, 429, "too-many-jobs")["quota"] == 2
    assert int(answer.headers["Retry-After"]) > 0
    assert http.post("/search", json=SEARCH, headers=bearer(tokens[1])).status_code == 202
    http.delete(f"/search/{first}", headers=bearer(tokens[0]))
    assert http.post("/search", json=SEARCH, headers=bearer(tokens[0])).status_code == 202


def test_unfinished_jobs_of_all_owners_are_limited(
    world: Any, tmp_path: Path, problem: Any
) -> None:
    app = create_app(Settings(tmp_path, (world.tables,), (world.predictors,), max_unfinished=1))
    http = app.test_client()
    assert http.post("/search", json=SEARCH).status_code == 202
    problem(http.post("/search", json=SEARCH), 429, "too-many-jobs")
    service_of(app).stop()


def test_idempotency_keys_of_different_tokens_are_independent(
    http: FlaskClient, tokens: tuple[str, str]
) -> None:
    ids = [
        http.post("/search", json=SEARCH, headers={**bearer(token), "Idempotency-Key": "k"}).json[
            "id"
        ]
        for token in tokens
    ]
    assert ids[0] != ids[1]


def test_a_browser_exchanges_its_token_once(
    app: APIFlask, http: FlaskClient, problem: Any, tokens: tuple[str, str]
) -> None:
    own = {"Origin": "http://localhost"}
    problem(http.post("/session", json={"token": "x"}, headers=own), 401, "unauthorized", "token")
    answer = http.post("/session", json={"token": tokens[0]}, headers=own)
    assert (answer.status_code, answer.json["name"]) == (200, "ada")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert tokens[0] not in cookie
    assert http.get("/session").json["name"] == "ada"
    job_id = http.post("/search", json=SEARCH, headers=own).json["id"]
    assert service_of(app).store.jobs.get(job_id).owner is not None
    assert http.get(f"/search/{job_id}").status_code == 200
    # A page of another site cannot make the browser ask for changes.
    problem(
        http.delete(f"/search/{job_id}", headers={"Origin": "http://evil.example"}),
        403,
        "foreign-origin",
        "Origin",
    )
    problem(http.delete(f"/search/{job_id}"), 403, "foreign-origin", "Origin")
    assert http.delete("/session", headers=own).status_code == 204
    problem(http.get("/session"), 401, "unauthorized", "Authorization")


def test_revoking_a_token_ends_its_browser_sessions(
    app: APIFlask, http: FlaskClient, tokens: tuple[str, str]
) -> None:
    http.post("/session", json={"token": tokens[0]})
    assert http.get("/search").status_code == 200
    service_of(app).store.tokens.revoke("ada")
    assert http.get("/search").status_code == 401


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"Origin": "http://evil.example"}, "Origin"),
        ({"Origin": "null"}, "Origin"),
        ({"Origin": "http://localhost.evil.example"}, "Origin"),
        ({"Origin": "http://[::1"}, "Origin"),
        ({"Sec-Fetch-Site": "cross-site"}, "Sec-Fetch-Site"),
        ({"Sec-Fetch-Site": "same-site"}, "Sec-Fetch-Site"),
    ],
)
def test_pages_of_other_sites_are_refused_even_without_tokens(
    app: APIFlask, http: FlaskClient, problem: Any, headers: dict[str, str], field: str
) -> None:
    problem(http.post("/search", json=SEARCH, headers=headers), 403, "foreign-origin", field)
    assert service_of(app).store.jobs.list()[1] == 0


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}, {}]
)
def test_the_page_and_programs_may_send_requests(
    http: FlaskClient, headers: dict[str, str]
) -> None:
    assert http.post("/search", json=SEARCH, headers=headers).status_code == 202


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", ""])
def test_other_hosts_are_refused(http: FlaskClient, host: str) -> None:
    answer = (
        http.get("/healthz", headers={"Host": host})
        if host
        else http.get("/healthz", base_url="http://evil/")
    )
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"


def test_exposed_services_always_need_a_token(public: APIFlask) -> None:
    http = public.test_client()
    name = {"Host": "nas.example"}
    for path in ("/search", "/metrics", "/tables", "/jobs"):
        assert http.get(path, headers=name).status_code == 401
    assert http.get("/healthz", headers=name).status_code == 200
    secret = service_of(public).store.tokens.create("ada")
    assert http.get("/metrics", headers=name | bearer(secret)).status_code == 200
    assert (
        http.get("/metrics", headers={"Host": "other.example"} | bearer(secret)).status_code == 400
    )


def test_cookies_after_a_tls_proxy_are_secure(public: APIFlask) -> None:
    secret = service_of(public).store.tokens.create("ada")
    through = {"Host": "nas.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    answer = public.test_client().post("/session", json={"token": secret}, headers=through)
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "max-age" in answer.headers["Strict-Transport-Security"]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"host": "0.0.0.0"}, "without TLS"),
        ({"host": "192.0.2.1", "certificate": Path("c.pem")}, "certificate and key"),
        ({"key": Path("k.pem")}, "certificate and key"),
        ({"allowed_hosts": ("*",)}, "allowed_hosts: '\\*'"),
        ({"streams": 0}, "streams must be positive"),
    ],
)
def test_unsafe_settings_are_refused(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSetting, match=said):
        Settings(**parts)


def test_other_addresses_are_allowed_with_tls_or_a_proxy() -> None:
    for safe in ({"certificate": Path("c.pem"), "key": Path("k.pem")}, {"behind_proxy": True}):
        assert Settings(host="192.0.2.1", **safe).exposed
    assert "192.0.2.1" in Settings(host="192.0.2.1", behind_proxy=True).hosts
    assert "[fd00::1]" in Settings(host="fd00::1", behind_proxy=True).hosts
    assert "0.0.0.0" not in Settings(host="0.0.0.0", behind_proxy=True).hosts
    assert not Settings().exposed


@pytest.mark.parametrize("path", ["/healthz", "/search", "/nowhere", "/openapi.json"])
def test_answers_have_restrictive_security_headers(http: FlaskClient, path: str) -> None:
    headers = http.get(path).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in headers["Cache-Control"]


def test_logs_contain_request_job_and_token(
    app: APIFlask, http: FlaskClient, tmp_path: Path, tokens: tuple[str, str]
) -> None:
    handler = logs.to_file(tmp_path / "logs", "web")
    try:
        answer = http.post(
            "/search", json=SEARCH, headers={**bearer(tokens[0]), "X-Request-Id": "abc-1"}
        )
        http.get("/nowhere", headers={"X-Request-Id": "no\u00e9 id"})
    finally:
        logs.close(handler)
    first, second = map(json.loads, (tmp_path / "logs" / "web.jsonl").read_text().splitlines())
    assert answer.headers["X-Request-Id"] == first["request"] == "abc-1"
    assert (first["job"], first["token"], first["status"]) == (answer.json["id"], "ada", 202)
    assert (second["status"], len(second["request"])) == (404, 16)
    assert tokens[0] not in (tmp_path / "logs" / "web.jsonl").read_text()
