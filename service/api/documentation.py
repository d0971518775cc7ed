"""The parts of the OpenAPI file that the schemas do not have: problems, headers and access."""

from __future__ import annotations

from typing import Any, TypeAlias

from apiflask import APIFlask

from service.problems import MEDIA_TYPE
from service.schemas.base import ProblemBody
from service.security.caller import COOKIE

Answers: TypeAlias = dict[int | str, dict[str, str | dict[str, dict[str, Any]]]]
"""Status -> the OpenAPI description of the answer."""

_DESCRIPTIONS = {
    400: ("The request is malformed, or its Host is not a name of this service."),
    401: "There is no valid token or session.",
    403: "A page of another site requests a change.",
    404: "Not found, or of another owner.",
    409: "The request conflicts with the current state.",
    410: "The file no longer exists.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "A value is not accepted, or a constraint cannot be met; `field` names it.",
    429: "The limit of unfinished jobs is reached; `Retry-After` is when to try again.",
    503: "The service is not available or busy; `Retry-After` is when to try again.",
}
_ALWAYS = (400, 401, 503)
_WITH_BODY = (403, 413, 415, 422)
_SCHEMA = {"$ref": "#/components/schemas/Problem"}


def reading(*statuses: int) -> Answers:
    """Return the problems of an operation without a body, for `blueprint.doc(responses=...)`."""
    return problems(*_ALWAYS, *statuses)


def writing(*statuses: int) -> Answers:
    """Return the problems of an operation with a body."""
    return problems(*_ALWAYS, *_WITH_BODY, *statuses)


def problems(*statuses: int) -> Answers:
    """Return the problems of an operation that has only these statuses."""
    content: dict[str, dict[str, Any]] = {MEDIA_TYPE: {"schema": _SCHEMA}}
    return {
        status: {"description": _DESCRIPTIONS[status], "content": content}
        for status in sorted(set(statuses))
    }


def content(description: str, *media_types: str, status: int = 200) -> Answers:
    """Return the answer that is a file of one of the media types."""
    return {
        status: {
            "description": description,
            "content": {media_type: {"schema": _schema(media_type)} for media_type in media_types},
        }
    }


def _schema(media_type: str) -> dict[str, str]:
    if media_type == "application/json":
        return {}
    text = media_type.startswith("text/") or media_type == "image/svg+xml"
    return {"type": "string"} if text else {"type": "string", "format": "binary"}


def _header(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "in": "header",
        "name": name,
        "description": description,
        "required": False,
        "schema": schema,
    }


_PREFER = _header(
    "Prefer",
    "`wait=N`: the answer waits up to N seconds, at most 30, for the job's end.",
    {"type": "string", "example": "wait=10"},
)
_KEY = _header(
    "Idempotency-Key",
    "The same request with the same key is answered by the same job, for 24 hours.",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
)
_LAST_EVENT = _header(
    "Last-Event-ID", "Resume after this event.", {"type": "integer", "minimum": 0}
)
_HEADERS = {
    ("/search", "post"): (_PREFER, _KEY),
    ("/search/{job_id}", "get"): (_PREFER,),
    ("/jobs/{job_id}", "get"): (_PREFER,),
    ("/predictors", "post"): (_PREFER, _KEY),
    ("/retrain", "post"): (_PREFER, _KEY),
    ("/pipelines", "post"): (_PREFER, _KEY),
    ("/tables", "post"): (_PREFER, _KEY),
    ("/tables/{name}/validation", "post"): (_PREFER, _KEY),
    ("/agents/{name}/claims", "post"): (_PREFER,),
    ("/search/{job_id}/events", "get"): (_LAST_EVENT,),
    ("/jobs/{job_id}/events", "get"): (_LAST_EVENT,),
}
_PUBLIC = {("/healthz", "get"), ("/readyz", "get"), ("/session", "post")}


def complete_openapi(app: APIFlask) -> None:
    """Add access, headers and problems to the OpenAPI file of an application."""
    app.description = (
        "Searches for the network that fits a device, as durable jobs. A token gives access to"
        " its own jobs only. Every problem is application/problem+json (RFC 9457)"
        " and names the faulty field."
    )
    app.security_schemes = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "Made by `python -m service token create`.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": COOKIE,
            "description": "Of POST /session.",
        },
    }

    @app.spec_processor
    def complete(spec: dict[Any, Any] | str) -> dict[Any, Any] | str:
        # Only a YAML file would be a text.
        assert isinstance(spec, dict)
        spec["components"]["schemas"]["Problem"] = ProblemBody.model_json_schema()
        # The empty entry: no token is needed by users of this machine before one was created.
        spec["security"] = [{"token": []}, {"session": []}, {}]
        for path, operations in spec["paths"].items():
            for method, operation in operations.items():
                operation["parameters"] = [
                    *operation.get("parameters", []),
                    *_HEADERS.get((path, method), ()),
                ]
                if (path, method) in _PUBLIC:
                    operation["security"] = []

        return spec
