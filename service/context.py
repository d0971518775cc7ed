"""The application's context: everything that its request handlers work with."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import cast

from flask import Flask, current_app

from service.artifacts import Artifacts
from service.catalog.catalog import Catalog
from service.catalog.uploads import Uploads
from service.concurrency import ConcurrencyLimit
from service.operation.metrics import Metrics
from service.security.caller import Access, sender
from service.settings import Settings
from service.store import Store

# Each export runs in a process of its own and takes seconds.
_MAX_EXPORTS = 2

# Each check of a pipeline is a process that may import torch.
_MAX_CHECKS = 2


@dataclass(frozen=True)
class Service:
    """The parts of a running service, one instance per application.

    Args:
        settings: Settings that the service was started with.
        store: Store of jobs, tokens, sessions and uploaded files.
        artifacts: Storage of the files that jobs produce and that clients upload.
        catalog: Spaces, tables, guides and data sets that requests without a token may name.
        access: Identifies the sender of each request.
        metrics: Metrics for Prometheus.
        waiting: Limit on the requests that wait for a result.
        streams: Limit on the event streams.
        exports: Limit on the exports to ONNX.
        checks: Limit on the checks of pipelines.
        stopping: Set when the service begins to stop, so that waiting requests end.
    """

    settings: Settings
    store: Store
    artifacts: Artifacts
    catalog: Catalog
    access: Access
    metrics: Metrics
    waiting: ConcurrencyLimit
    streams: ConcurrencyLimit
    exports: ConcurrencyLimit = field(
        default_factory=lambda: ConcurrencyLimit(_MAX_EXPORTS, "exports to ONNX")
    )
    checks: ConcurrencyLimit = field(
        default_factory=lambda: ConcurrencyLimit(_MAX_CHECKS, "checks of pipelines")
    )
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def uploads(self) -> Uploads:
        """Tables, evaluations and predictors that were uploaded."""
        assert self.catalog.uploads is not None
        return self.catalog.uploads

    def sender_catalog(self) -> Catalog:
        """Return the names that the sender of the current request may use."""
        return Catalog(self.settings, self.uploads, sender())

    def stop(self) -> None:
        """End the requests that wait, and close the store."""
        self.stopping.set()
        self.store.close()


def service_of(app: Flask) -> Service:
    """Return the Service of an application."""
    return cast("Service", app.extensions["pathfit"])


def current_service() -> Service:
    """Return the Service of the application that handles the current request."""
    return service_of(current_app)
