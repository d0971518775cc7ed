"""`GET /healthz`, `GET /readyz` and `GET /metrics`."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from service.api.documentation import content, problems, reading
from service.context import current_service
from service.operation.metrics import MEDIA_TYPE
from service.operation.readiness import fault
from service.problems import Problem
from service.schemas.base import EngineInfo, Health, Readiness

blueprint = APIBlueprint("health", __name__, tag="health")

# A blueprint of its own, so that its endpoint `metrics.show` can have its own access rule.
metrics = APIBlueprint("metrics", __name__, tag="health")


@blueprint.get("/healthz")
@blueprint.output(Health)
@blueprint.doc(summary="Whether the service lives", responses=problems(400))
def healthz() -> Health:
    """Report that the process answers requests."""
    return Health(status="alive")


@blueprint.get("/readyz")
@blueprint.output(Readiness)
@blueprint.doc(
    summary="Whether the store answers and an engine works", responses=problems(400, 503)
)
def readyz() -> Readiness:
    """Report the engines, or a problem if no job could be run."""
    store = current_service().store
    reason = fault(store)
    if reason is not None:
        raise Problem(503, "not-ready", "Not ready", reason, headers={"Retry-After": "1"})

    engines = [
        EngineInfo(id=engine.id, state=engine.state, detail=engine.detail, age_s=engine.age_s)
        for engine in store.engines.list()
    ]

    return Readiness(status="ready", engines=engines)


@metrics.get("/metrics")
@metrics.doc(
    summary="Metrics for Prometheus",
    responses=reading() | content("Prometheus's text format", "text/plain"),
)
def show() -> Response:
    """Write the metrics in Prometheus's text format."""
    return Response(current_service().metrics.text(), content_type=MEDIA_TYPE)
