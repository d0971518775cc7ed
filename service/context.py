"""The service's context: what every request handler works with."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import cast

from flask import Flask, current_app

from service.artifacts import Artifacts
from service.catalog.catalog import Catalog
from service.catalog.uploads import Uploads
from service.concurrency import Places
from service.operation.metrics import Metrics
from service.security.caller import Access
from service.settings import Settings
from service.store import Store

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


def service_of(app: Flask | None = None) -> Service:
    """The Service of an application; of the one that answers the present request if none is
    given.
    """
    return cast("Service", (app or current_app).extensions["pathfit"])
