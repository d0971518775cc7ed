"""Answer errors as problems: `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import logging
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Union, get_args, get_origin

from apiflask import APIFlask, HTTPError
from flask import Response, json, request
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from werkzeug.exceptions import HTTPException

from oneshot.errors import Infeasible
from service.artifacts import ArtifactFailed, MissingArtifact
from service.catalog.names import AmbiguousName
from service.jobs import IllegalTransition, JsonObject, UnknownJob
from service.store import IdempotencyConflict, InvalidStore, QuotaExceeded, StorageExceeded
from service.store.postgresql import is_locked
from spaces.errors import PathfitError, UnknownName

MEDIA_TYPE = "application/problem+json"
_LOG = logging.getLogger(__name__)


class Problem(PathfitError):
    """A request that cannot be fulfilled, with its answer.

    Args:
        status: HTTP status of the answer.
        slug: Identifier of the kind of problem, the last part of its `type`.
        title: Name of the kind of problem.
        detail: Description of this case in one sentence.
        field: Dotted path of the faulty part of the request. None if no part of it is.
        headers: HTTP headers of the answer.
        members: Further members of the answer's JSON object.

    Example:
        >>> invalid("seed must not be negative", "seed").to_dict()["field"]
        'seed'
    """

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        detail: str,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        self.status = status
        self.slug = slug
        self.title = title
        self.field = field
        self.members = members
        self.headers = dict(headers or {})
        super().__init__(detail)

    def to_dict(self) -> JsonObject:
        """Return the JSON object of the answer."""
        field = {} if self.field is None else {"field": self.field}
        return {
            "type": f"urn:pathfit:problem:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": str(self),
            **field,
            **self.members,
        }


def invalid(detail: str, field: str | None, **members: Any) -> Problem:
    """Return the problem of a value that is not accepted (422)."""
    return Problem(422, "invalid-value", "Invalid value", detail, field, **members)


def busy(detail: str, seconds: int = 1) -> Problem:
    """Return the problem of too many requests at once (503).

    Args:
        detail: Description in one sentence.
        seconds: Seconds after which the client should try again.
    """
    return Problem(503, "busy", "Busy", detail, headers={"Retry-After": str(seconds)})


def ambiguous(error: AmbiguousName, field: str) -> Problem:
    """Return the problem of a plain name that several owners have (409)."""
    candidates = list(error.candidates)
    return Problem(
        409, "ambiguous-name", "Ambiguous name", str(error), field, candidates=candidates
    )


@contextmanager
def blaming(field: str) -> Iterator[None]:
    """Turn a PathfitError of the block into a Problem that names the field of the request."""
    try:
        yield
    except Problem:
        raise
    except Infeasible as error:
        raise Problem(
            422,
            "infeasible",
            "Infeasible constraint",
            str(error),
            field,
            metric=error.metric,
            maximum=error.maximum,
            least=error.least,
        ) from error
    except AmbiguousName as error:
        raise ambiguous(error, field) from error
    except UnknownName as error:
        raise Problem(
            422, "unknown-name", "Unknown name", str(error), field, known=list(error.known)
        ) from error
    except PathfitError as error:
        raise invalid(str(error), field) from error


def register(app: APIFlask, schemas: tuple[type[BaseModel], ...]) -> None:
    """Make an application answer every error as a problem.

    Args:
        app: The application.
        schemas: Models of requests, to list the accepted fields where a field is unknown.
    """

    @app.errorhandler(HTTPError)
    def refused(error: HTTPError) -> Response:
        cause = error.__cause__
        if isinstance(cause, ValidationError):
            # pydantic names the model of an error by its title.
            model = next((schema for schema in schemas if schema.__name__ == cause.title), None)
            return respond(invalid_fields(cause, model))

        return respond(
            Problem(error.status_code, "http", error.message or "Error", error.message or "Error")
        )

    @app.errorhandler(HTTPException)
    def of_http(error: HTTPException) -> Response:
        answer = respond(_of_http(error))
        for name, value in error.get_headers():
            if name.lower() not in ("content-type", "content-length"):
                answer.headers[name] = value
        return answer

    @app.errorhandler(PathfitError)
    def of_pathfit(error: PathfitError) -> Response:
        return respond(_of_pathfit(error))

    @app.errorhandler(SQLAlchemyError)
    def of_store(error: SQLAlchemyError) -> Response:
        if isinstance(error, DBAPIError) and is_locked(error):
            return respond(busy("another process is changing the same rows; try again"))

        _LOG.error(
            "the job store failed while answering %s %s: %s", request.method, request.path, error
        )
        # Without the error's text, which can contain statements and addresses.
        return respond(_unavailable("the job store does not respond"))

    @app.errorhandler(Exception)
    def internal(error: Exception) -> Response:
        _LOG.exception("error while answering %s %s", request.method, request.path, exc_info=error)
        return respond(
            Problem(
                500, "internal", "Internal error", "the service failed; see its log for the reason"
            )
        )


def respond(problem: Problem) -> Response:
    """Return the HTTP answer of a problem."""
    body = json.dumps(problem.to_dict())
    return Response(body, status=problem.status, content_type=MEDIA_TYPE, headers=problem.headers)


def _of_pathfit(error: PathfitError) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, UnknownJob):
        return Problem(404, "unknown-search", "Unknown search", str(error), "id")
    if isinstance(error, IllegalTransition):
        return Problem(409, "conflict", "Conflict", str(error), state=error.state)
    if isinstance(error, QuotaExceeded):
        return too_many(str(error), quota=error.quota)
    if isinstance(error, StorageExceeded):
        title = "Storage exceeded"
        return Problem(403, "storage-exceeded", title, str(error), max_bytes=error.max_bytes)
    if isinstance(error, IdempotencyConflict):
        return Problem(
            422, "idempotency-conflict", "Key used before", str(error), "Idempotency-Key"
        )

    if isinstance(error, MissingArtifact):
        return Problem(410, "gone", "Gone", str(error), "id")
    if isinstance(error, ArtifactFailed | InvalidStore):
        _LOG.error("while answering %s %s: %s", request.method, request.path, error)
        return _unavailable(str(error))

    return invalid(str(error), None)


def too_many(detail: str, **members: Any) -> Problem:
    """Return the problem of a reached limit of unfinished jobs (429)."""
    return Problem(
        429, "too-many-jobs", "Too many jobs", detail, headers={"Retry-After": "5"}, **members
    )


def _unavailable(detail: str) -> Problem:
    return Problem(503, "store-away", "Store away", detail, headers={"Retry-After": "5"})


def _of_http(error: HTTPException) -> Problem:
    code = error.code or 500
    slug = error.name.lower().replace(" ", "-")
    # Flask replaces an error in a body's JSON by a plain 400, which has the error as its cause.
    source = error.__cause__ if isinstance(error.__cause__, HTTPException) else error
    detail = " ".join((source.description or error.name).split())
    return Problem(code, slug, error.name, detail)


def invalid_fields(error: ValidationError, model: type[BaseModel] | None) -> Problem:
    """Combine the faults found by pydantic; `detail` and `field` are those of the first."""
    faults = []
    for fault in error.errors(include_url=False):
        field = ".".join(map(str, fault["loc"])) or None
        faults.append({"field": field, "detail": _sentence(dict(fault), field, model)})

    # One problem has one `detail`; clients that want all faults read `errors`.
    first = faults[0]
    members = {"errors": faults} if len(faults) > 1 else {}
    return invalid(str(first["detail"]), first["field"], **members)


def _sentence(fault: JsonObject, field: str | None, model: type[BaseModel] | None) -> str:
    location = field or "the body"
    if fault["type"] == "missing":
        return f"{location} is missing"
    if fault["type"] == "extra_forbidden":
        fields = _fields(model, fault["loc"][:-1]) if model is not None else []
        return f"unknown field {location!r:.80}; available: {', '.join(fields)}"

    message = fault["msg"]

    return f"{location}: {message[:1].lower()}{message[1:]}, not {fault['input']!r:.80}"


def _fields(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Return the fields of the model at a path below `model`."""
    for name in path:
        annotation: Any = model.model_fields[str(name)].annotation
        # An optional model is annotated as a union with None.
        is_union = get_origin(annotation) in (Union, types.UnionType)
        options = get_args(annotation) if is_union else (annotation,)
        models = [
            option
            for option in options
            if isinstance(option, type) and issubclass(option, BaseModel)
        ]
        if not models:
            return []

        model = models[0]

    return list(model.model_fields)
