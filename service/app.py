"""The application factory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from apiflask import APIFlask
from flask import Flask, current_app, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import UnsupportedMediaType

from service import problems
from service.catalog import Catalog
from service.engine.base import Engine
from service.engine.processes import ProcessEngine
from service.schemas import Detail, Page, SearchRequest
from service.settings import Settings
from service.store import Store
from spaces import __version__

MOST_WAITING = 24
"""Requests that may wait for a result at once; others are answered without waiting."""


def process_engine(store: Store, settings: Settings) -> Engine:
    """The engine that is used unless another is given."""
    return ProcessEngine(store, settings.results, settings.workers)


@dataclass(frozen=True)
class Service:
    """What an application works with; `service_of` finds it.

    Args:
        settings: what it was started with.
        store: the jobs.
        engine: runs them.
        catalog: what requests may name.
        stopping: set when the service begins to stop, so that nobody waits on.
        waiting: a place for each request that may wait.
    """

    settings: Settings
    store: Store
    engine: Engine
    catalog: Catalog
    stopping: threading.Event = field(default_factory=threading.Event)
    waiting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MOST_WAITING))

    def start(self) -> None:
        """Begin to run jobs."""
        self.engine.start()

    def stop(self) -> None:
        """Stop at once; unfinished jobs stay queued."""
        self.stopping.set()
        self.engine.stop()
        self.store.close()


def create_app(settings: Settings, make_engine: Callable[[Store, Settings], Engine] = process_engine) -> APIFlask:
    """Make the application; its engine is not started yet (`service_of(app).start()` does).

    Args:
        settings: what it is started with.
        make_engine: makes what runs the jobs.

    Raises:
        InvalidStore: the data folder's job store cannot be used.
    """
    from service.api import blueprints

    app = APIFlask("service", title="Pathfit", version=__version__, docs_path=None, json_errors=False)
    app.json = _StrictJSON(app)
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_body,
        # Other names would let a page of another site reach the service under a name of its own.
        TRUSTED_HOSTS=["localhost", "127.0.0.1", "[::1]", settings.host],
        AUTO_404_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_SERVERS=False,
    )
    store = Store(settings.database)
    app.extensions["pathfit"] = Service(settings, store, make_engine(store, settings), Catalog(settings))
    app.before_request(_refuse_other_media_types)
    problems.register(app, (SearchRequest, Page, Detail))
    for blueprint in blueprints():
        app.register_blueprint(blueprint)
    return app


def service_of(app: Flask | None = None) -> Service:
    """The Service of an application; of the one that answers the present request if none is given."""
    return cast("Service", (app or current_app).extensions["pathfit"])


def _refuse_other_media_types() -> None:
    if request.method in ("POST", "PUT", "PATCH") and request.routing_exception is None and not request.is_json:
        given = request.mimetype or "nothing"
        raise UnsupportedMediaType(f"the body must be application/json; its Content-Type says {given:.80}")


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
