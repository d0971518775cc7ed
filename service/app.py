"""The application factory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from apiflask import APIFlask
from flask import Flask, Response, current_app, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.middleware.proxy_fix import ProxyFix

from service import problems
from service.artifacts import Artifacts
from service.catalog.catalog import Catalog
from service.catalog.uploads import Uploads
from service.concurrency import Places
from service.operation import logs
from service.operation.metrics import Metrics
from service.schemas import base, catalog, jobs, search
from service.security import headers, requests
from service.security.caller import Access
from service.settings import Settings
from service.store import Store
from spaces import __version__

_FEW = 2  # exports to ONNX at once: each takes a process, and seconds


@dataclass(frozen=True)
class Service:
    """What an application works with; `service_of` finds it.

    Args:
        settings: what it was started with.
        store: the jobs.
        artifacts: what they left, and uploads.
        catalog: what requests may name.
        access: tells who asks.
        metrics: what Prometheus is told.
        waiting: a place for each request that may wait.
        streams: a place for each event stream.
        exports: a place for each export to ONNX.
        stopping: set when the service begins to stop, so that nobody waits on.
    """

    settings: Settings
    store: Store
    artifacts: Artifacts
    catalog: Catalog
    access: Access
    metrics: Metrics
    waiting: Places
    streams: Places
    exports: Places = field(default_factory=lambda: Places(_FEW, "exports to ONNX"))
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def uploads(self) -> Uploads:
        """What was uploaded."""
        assert self.catalog.uploads is not None
        return self.catalog.uploads

    def stop(self) -> None:
        """Let go of those who wait, and of the store."""
        self.stopping.set()
        self.store.close()


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

    app = APIFlask("service", title="Pathfit", version=__version__, docs_path=None, json_errors=False)
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
    problems.register(app, (*jobs.REQUESTS, *catalog.REQUESTS, *search.QUERIES, *jobs.QUERIES, base.Page))
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
        waiting, streams = Places(settings.waiting, "waiting requests"), Places(settings.streams, "event streams")
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


def service_of(app: Flask | None = None) -> Service:
    """The Service of an application; of the one that answers the present request if none is given."""
    return cast("Service", (app or current_app).extensions["pathfit"])


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
