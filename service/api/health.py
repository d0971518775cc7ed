"""`GET /healthz` and `GET /readyz`."""

from __future__ import annotations

from apiflask import APIBlueprint

from service.api.documentation import problems
from service.app import service_of
from service.problems import Problem
from service.schemas import Health
from service.store import InvalidStore


def blueprint() -> APIBlueprint:
    """The routes that say how the service is."""
    health = APIBlueprint("health", __name__, tag="health")

    @health.get("/healthz")
    @health.output(Health)
    @health.doc(summary="Whether the service lives", responses=problems(400))
    def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @health.get("/readyz")
    @health.output(Health)
    @health.doc(summary="Whether the store answers and the engine works", responses=problems(400, 503))
    def readyz() -> dict[str, str]:
        service = service_of()
        fault = service.engine.fault()
        try:
            service.store.check()
        except InvalidStore as error:
            fault = str(error)
        if fault is not None:
            raise Problem(503, "not-ready", "Not ready", fault)
        return {"status": "ready"}

    return health
