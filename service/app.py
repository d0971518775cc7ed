"""The application factory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from apiflask import APIFlask
from flask import Response, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.middleware.proxy_fix import ProxyFix

from service import problems
from service.api import BLUEPRINTS
from service.api.documentation import complete_openapi
from service.artifacts import Artifacts
from service.catalog.catalog import Catalog
from service.catalog.uploads import Uploads
from service.concurrency import ConcurrencyLimit
from service.context import Service, current_service
from service.operation import logs
from service.operation.metrics import Metrics
from service.schemas import agents, base, catalog, comparison, jobs, search
from service.security import headers, requests
from service.security.caller import Access
from service.settings import Settings
from service.store import Store
from spaces import __version__


def create_app(settings: Settings, clock: Callable[[], float] | None = None) -> APIFlask:
    """Create the Flask application that serves the HTTP API and the page.

    The application accepts and reports jobs; an engine in another process runs them.

    Args:
        settings: Settings of the service.
        clock: Returns seconds since 1970. None takes the clock of the job store's database.

    Raises:
        InvalidStore: The job store cannot be opened.
        ArtifactFailed: The storage of artifacts cannot be opened.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from service.context import service_of
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     app = create_app(Settings(Path(folder)))
        ...     response = app.test_client().get("/healthz")
        ...     service_of(app).stop()
        >>> response.json
        {'status': 'alive'}
    """
    app = APIFlask(
        "service", title="Pathfit", version=__version__, docs_path=None, json_errors=False
    )
    app.json = _StrictJSON(app)
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_body,
        # A page of another site could otherwise reach the service through a host name that it
        # resolves to this machine (DNS rebinding).
        TRUSTED_HOSTS=settings.hosts,
        # The problems of this service are documented by `documentation`, not by APIFlask.
        AUTO_404_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_SERVERS=False,
        SYNC_LOCAL_SPEC=False,
    )
    service = _open_service(settings, clock)
    app.extensions["pathfit"] = service

    _register_handlers(app, service)
    # For errors that list the accepted fields.
    of_jobs = (*jobs.REQUESTS, *jobs.QUERIES, *search.QUERIES, *comparison.QUERIES)
    schemas = (*of_jobs, *catalog.REQUESTS, *agents.REQUESTS, base.Page)
    problems.register(app, schemas)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)

    complete_openapi(app)

    if settings.behind_proxy:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]

    return app


def _open_service(settings: Settings, clock: Callable[[], float] | None) -> Service:
    store = Store(settings.store, clock, settings.timeouts)
    try:
        artifacts = Artifacts(settings.artifacts_url)
        uploads = Uploads(store, artifacts, settings.data / "cache")
        waiting = ConcurrencyLimit(settings.waiting, "waiting requests")
        streams = ConcurrencyLimit(settings.streams, "event streams")

        return Service(
            settings=settings,
            store=store,
            artifacts=artifacts,
            catalog=Catalog(settings, uploads),
            access=Access(settings, store),
            metrics=Metrics(store, lambda: streams.num_active, lambda: waiting.num_active),
            waiting=waiting,
            streams=streams,
        )
    except BaseException:
        # Otherwise a failed start would leave its connections open.
        store.close()
        raise


def _register_handlers(app: APIFlask, service: Service) -> None:
    """Register the functions that run before and after every request."""
    # The order matters: the sender must be known before a write by cookie can be refused.
    app.before_request(logs.begin)
    app.before_request(service.access.identify)
    app.before_request(requests.refuse_other_origins)
    app.before_request(requests.refuse_other_media_types)
    app.before_request(_raise_upload_limit)
    for handler in (logs.record, service.metrics.record, headers.protect):
        app.after_request(cast("Callable[[Response], Response]", handler))


def _raise_upload_limit() -> None:
    if request.endpoint in ("uploads.table", "uploads.evaluations", "agents.report"):
        request.max_content_length = current_service().settings.max_upload


class _StrictJSON(DefaultJSONProvider):
    """A JSON provider that follows RFC 8259: no NaN or Infinity, and limited nesting."""

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        try:
            return super().loads(s, parse_constant=_refuse_constant, **kwargs)
        except RecursionError:
            # A ValueError becomes a 400, as for any other malformed body.
            raise ValueError("it is nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
