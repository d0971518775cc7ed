"""What an agent sends to a service."""

from typing import Any

from flask.testing import FlaskClient

import spaces
from profiler.instruments.devices import find

SPACE = spaces.get("spos-tiny")


def identity(name: str = "pi", threads: int = 1, **more: Any) -> dict[str, Any]:
    """Return the body with which an agent registers."""
    return {
        "name": name,
        "device": find("cpu").to_dict(),
        "backends": ["steady"],
        "threads": threads,
        "version": spaces.__version__,
        **more,
    }


def register(http: FlaskClient, name: str = "pi", **options: Any) -> dict[str, Any]:
    """Register an agent, and return how the service lists it."""
    answer = http.post("/agents", json=identity(name), **options)
    assert answer.status_code == 200, answer.data
    body: dict[str, Any] = answer.json
    return body


def claim(http: FlaskClient, name: str = "pi", **options: Any) -> Any:
    """Take a job as an agent; None: there is none."""
    answer = http.post(f"/agents/{name}/claims", json={}, **options)
    assert answer.status_code in (200, 204), answer.data
    return answer.json if answer.status_code == 200 else None


def report(http: FlaskClient, job: Any, state: str, name: str = "pi", **fields: Any) -> bool:
    """Report on a job, and return whether the agent still holds it."""
    options = {"headers": fields.pop("headers")} if "headers" in fields else {}
    body = {"attempt": job["attempt"], "state": state, **fields}
    answer = http.post(f"/agents/{name}/jobs/{job['id']}", json=body, **options)
    assert answer.status_code == 200, answer.data
    return bool(answer.json["held"])
