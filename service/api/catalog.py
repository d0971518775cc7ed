"""`GET /spaces`, `GET /tables` and `GET /predictors`: what a request may name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from apiflask import APIBlueprint

from service.api.documentation import problems
from service.app import service_of
from service.catalog import Catalog
from service.schemas import KnownList
from spaces.errors import PathfitError

Describe = Callable[[Catalog, str], dict[str, Any]]


def blueprint() -> APIBlueprint:
    """The routes that list what there is."""
    catalog = APIBlueprint("catalog", __name__, tag="catalog")

    @catalog.get("/spaces")
    @catalog.output(KnownList)
    @catalog.doc(summary="The search spaces", responses=problems(400))
    def spaces() -> dict[str, Any]:
        known = service_of().catalog
        return _described(known, known.spaces(), _space)

    @catalog.get("/tables")
    @catalog.output(KnownList)
    @catalog.doc(summary="The lookup tables: the devices that were measured", responses=problems(400))
    def tables() -> dict[str, Any]:
        known = service_of().catalog
        return _described(known, known.tables(), _table)

    @catalog.get("/predictors")
    @catalog.output(KnownList)
    @catalog.doc(summary="The predictors", responses=problems(400))
    def predictors() -> dict[str, Any]:
        known = service_of().catalog
        return _described(known, known.predictors(), _predictor)

    return catalog


def _described(catalog: Catalog, names: Iterable[str], describe: Describe) -> dict[str, Any]:
    items = []
    for name in names:
        try:
            items.append({"name": name, **describe(catalog, name)})
        except PathfitError as error:  # one bad file must not hide the others
            items.append({"name": name, "error": str(error)})
    return {"items": items}


def _space(catalog: Catalog, name: str) -> dict[str, Any]:
    space = catalog.space(name)
    return {
        "choices": {choice.key: list(choice.candidates) for choice in space.choices},
        "architectures": space.size,
        "input_shape": list(space.input_shape),
        "num_classes": space.num_classes,
    }


def _table(catalog: Catalog, name: str) -> dict[str, Any]:
    table, reference = catalog.table(name)
    return {
        "space": table.space,
        "device": dict(table.device),
        "conditions": dict(table.conditions),
        "blocks": len(table.blocks),
        "networks": len(table.networks),
        "measured": table.created,
        "sha256": reference.sha256,
    }


def _predictor(catalog: Catalog, name: str) -> dict[str, Any]:
    space, reference = catalog.predictor(name)
    return {"space": space, "sha256": reference.sha256}
