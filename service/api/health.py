"""`GET /healthz`, `GET /readyz` and `GET /metrics`."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Blueprint, Response

from service.api.documentation import content, problems, reading
from service.context import service_of
from service.operation.metrics import MEDIA_TYPE
from service.operation.readiness import fault
from service.problems import Problem
from service.schemas.base import Health, Readiness


def blueprint() -> APIBlueprint:
    """The routes that say how the service is."""
    health = APIBlueprint("health", __name__, tag="health")

    @health.get("/healthz")
    @health.output(Health)
    @health.doc(summary="Whether the service lives", responses=problems(400))
    def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @health.get("/readyz")
    @health.output(Readiness)
    @health.doc(
        summary="Whether the store answers and an engine works", responses=problems(400, 503)
    )
    def readyz() -> dict[str, Any]:
        store = service_of().store
        if (why := fault(store)) is not None:
            raise Problem(503, "not-ready", "Not ready", why, headers={"Retry-After": "1"})
        engines = [
            {key: getattr(engine, key) for key in ("id", "state", "detail", "age_s")}
            for engine in store.engines.list()
        ]
        return {"status": "ready", "engines": engines}

    return health


def metrics_blueprint() -> Blueprint:
    """The route for Prometheus."""
    metrics = APIBlueprint("metrics", __name__, tag="health")

    @metrics.get("/metrics")
    @metrics.doc(
        summary="Metrics for Prometheus",
        responses=reading() | content("Prometheus's text format", "text/plain"),
    )
    def show() -> Response:
        return Response(service_of().metrics.text(), content_type=MEDIA_TYPE)

    return metrics
