"""The application factory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from apiflask import APIFlask
from flask import Response, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.middleware.proxy_fix import ProxyFix

from service import problems
from service.artifacts import Artifacts
from service.catalog.catalog import Catalog
from service.catalog.uploads import Uploads
from service.concurrency import Places
from service.context import Service, service_of
from service.operation import logs
from service.operation.metrics import Metrics
from service.schemas import base, catalog, jobs, search
from service.security import headers, requests
from service.security.caller import Access
from service.settings import Settings
from service.store import Store
from spaces import __version__


def create_app(settings: Settings) -> APIFlask:
    """Make the application.

    Args:
        settings: what it is started with.

    Raises:
        InvalidStore: the job store cannot be used.
        ArtifactFailed: the place of artifacts cannot be.
    """
    from service.api import blueprints
    from service.api.documentation import describe

    app = APIFlask(
        "service", title="Pathfit", version=__version__, docs_path=None, json_errors=False
    )
    app.json = _StrictJSON(app)
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_body,
        # Other names would let a page of another site reach the service under a name of its own.
        TRUSTED_HOSTS=settings.hosts,
        AUTO_404_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_SERVERS=False,
        SYNC_LOCAL_SPEC=False,
    )
    service = _service(settings)
    app.extensions["pathfit"] = service
    app.before_request(logs.begin)
    app.before_request(service.access.identify)
    app.before_request(requests.refuse_other_origins)
    app.before_request(requests.refuse_other_media_types)
    app.before_request(_let_uploads_be_large)
    for after in (logs.record, service.metrics.record, headers.protect):
        app.after_request(cast("Callable[[Response], Response]", after))
    problems.register(
        app, (*jobs.REQUESTS, *catalog.REQUESTS, *search.QUERIES, *jobs.QUERIES, base.Page)
    )
    for blueprint in blueprints():
        app.register_blueprint(blueprint)
    describe(app)
    if settings.behind_proxy:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]
    return app


def _service(settings: Settings) -> Service:
    store = Store(settings.store)
    try:
        artifacts = Artifacts(settings.artifacts_url)
        uploads = Uploads(store, artifacts, settings.data / "cache")
        waiting, streams = (
            Places(settings.waiting, "waiting requests"),
            Places(settings.streams, "event streams"),
        )
        return Service(
            settings=settings,
            store=store,
            artifacts=artifacts,
            catalog=Catalog(settings, uploads),
            access=Access(settings, store),
            metrics=Metrics(store, lambda: streams.taken, lambda: waiting.taken),
            waiting=waiting,
            streams=streams,
        )
    except BaseException:
        store.close()
        raise


def _let_uploads_be_large() -> None:
    if request.endpoint in ("uploads.table", "uploads.evaluations"):
        request.max_content_length = service_of().settings.max_upload


class _StrictJSON(DefaultJSONProvider):
    """JSON as RFC 8259 has it: no NaN, and nothing nested beyond reading."""

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        try:
            return super().loads(s, parse_constant=_refuse_constant, **kwargs)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
