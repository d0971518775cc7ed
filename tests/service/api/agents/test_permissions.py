"""Who may register an agent, and who may measure on its device."""

from typing import Any

from apiflask import APIFlask
from flask.testing import FlaskClient

from service.security.caller import AGENT_ENDPOINTS, PUBLIC
from tests.service.api.agents.requests import SPACE, claim, identity, register, report
from tests.service.api.conftest import Problem
from tests.steady import steady_table


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


def test_token_of_an_agent_opens_the_exported_blocks_of_its_jobs(
    http: FlaskClient, tokens: dict[str, Any], problem: Problem
) -> None:
    register(http, headers=tokens["pi"])
    answer = http.get("/agents/pi/jobs/none/blocks/0", headers=tokens["pi"])
    problem(answer, 404, "unknown-search", "id")


def test_access_is_decided_for_routes_that_exist(app: APIFlask) -> None:
    assert set(app.view_functions) >= AGENT_ENDPOINTS | PUBLIC


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
