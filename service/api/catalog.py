"""What a request may name: spaces, tables, predictors, supernets, benchmarks, evaluations, data
sets, formats.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from apiflask import APIBlueprint

from oneshot.data.request import title
from service.api.documentation import reading
from service.catalog import costs
from service.catalog.catalog import Catalog, FileReference
from service.context import service_of
from service.problems import Problem, blaming
from service.schemas.catalog import Bounds, Known, KnownList, SpaceQuery
from spaces.errors import PathfitError, UnknownName

Describe = Callable[[Catalog, str], dict[str, Any]]


def blueprint() -> APIBlueprint:
    """The routes that list what there is."""
    catalog = APIBlueprint("catalog", __name__, tag="catalog")
    for path, summary, names, describe in _LISTS:
        _list(catalog, path, summary, names, describe)

    @catalog.get("/spaces/<name>")
    @catalog.output(Known)
    @catalog.doc(
        summary="A search space: its choices, and the bounds of its counts",
        responses=reading(404, 409),
    )
    def space(name: str) -> dict[str, Any]:
        known = service_of().catalog
        with _looking("space"):
            return {
                "name": name,
                **_space(known, name),
                "bounds": costs.bounds(known.space(name).name, None),
            }

    @catalog.get("/tables/<name>/bounds")
    @catalog.input(SpaceQuery, location="query", arg_name="query")
    @catalog.output(Bounds)
    @catalog.doc(
        summary="What a space's networks cost at least and at most on a device",
        responses=reading(404, 409, 422),
    )
    def bounds(name: str, query: SpaceQuery) -> dict[str, Any]:
        known = service_of().catalog
        with _looking("table"):
            reference = known.table(name)[1]
        with blaming("space"):
            space = known.space(query.space).name
            return {"table": name, "space": space, "metrics": costs.bounds(space, reference)}

    return catalog


def _list(
    catalog: APIBlueprint,
    path: str,
    summary: str,
    names: Callable[[Catalog], Iterable[str]],
    describe: Describe,
) -> None:
    def view() -> dict[str, Any]:
        known = service_of().catalog
        items = []
        for name in names(known):
            try:
                items.append({"name": name, **describe(known, name)})
            except PathfitError as error:  # one bad file must not hide the others
                items.append({"name": name, "error": str(error)})
        return {"items": items}

    view.__name__ = path.strip("/").replace("-", "_")
    documented = catalog.doc(summary=summary, responses=reading())(catalog.output(KnownList)(view))
    catalog.get(path)(documented)


@contextmanager
def _looking(kind: str) -> Iterator[None]:
    """Tell an unknown name in the path as 404, and an unusable file behind it as 409."""
    try:
        yield
    except UnknownName as error:
        raise Problem(
            404, f"unknown-{kind}", f"Unknown {kind}", str(error), "name", known=list(error.known)
        ) from error
    except PathfitError as error:
        raise Problem(409, "unusable-file", "Unusable file", str(error), "name") from error


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


def _supernet(catalog: Catalog, name: str) -> dict[str, Any]:
    run = catalog.supernets()[name]
    return {"space": run.space, "data": title(str(run.data.get("name", "")))}


def _benchmark(_catalog: Catalog, name: str) -> dict[str, Any]:
    from tables.benchmarks.registry import BENCHMARKS, find, import_command

    benchmark = BENCHMARKS.get(name)
    entry = {"space": benchmark.space, "published": benchmark.published}
    if find(name) is None:
        return {
            **entry,
            "error": f"its files are not here; they are made by: {import_command(name)}",
        }
    return entry


def _benchmarks(_catalog: Catalog) -> list[str]:
    from tables.benchmarks.registry import available

    return available()


def _evaluations(catalog: Catalog, name: str) -> dict[str, Any]:
    version = catalog.uploaded("evaluations")[name]
    return {
        "version": version.version,
        "sha256": version.sha256,
        **_content(catalog.evaluations(name)),
    }


@functools.lru_cache(maxsize=64)
def _content(evaluations: FileReference) -> dict[str, Any]:
    """What a predictor could be trained on: the space, how many networks, and the metrics that all
    of them have.
    """
    from tables.evaluation import read

    known = read(evaluations.path)
    metrics = [
        name for name in known[0].metrics if all(name in evaluation.metrics for evaluation in known)
    ]
    return {"space": known[0].architecture.space, "networks": len(known), "metrics": metrics}


def _formats(_catalog: Catalog) -> list[str]:
    from spaces.formats.registry import available

    return available()


def _strategies(_catalog: Catalog) -> list[str]:
    from oneshot.strategies.registry import available

    return available()


def _strategy(_catalog: Catalog, name: str) -> dict[str, Any]:
    from oneshot.strategies.registry import options_of

    return {"options": options_of(name)}


def _nothing(_catalog: Catalog, _name: str) -> dict[str, Any]:
    return {}


_LISTS: tuple[tuple[str, str, Callable[[Catalog], Iterable[str]], Describe], ...] = (
    ("/spaces", "The search spaces", Catalog.spaces, _space),
    ("/tables", "The lookup tables: the devices that were measured", Catalog.tables, _table),
    ("/predictors", "The predictors", Catalog.predictors, _predictor),
    ("/supernets", "The trained supernets", Catalog.supernets, _supernet),
    ("/benchmarks", "The benchmarks", _benchmarks, _benchmark),
    (
        "/evaluations",
        "The uploaded evaluations",
        lambda catalog: catalog.uploaded("evaluations"),
        _evaluations,
    ),
    ("/data-sets", "The data sets that a retraining may name", Catalog.data_sets, _nothing),
    ("/formats", "The formats of architectures", _formats, _nothing),
    ("/strategies", "The strategies of searches, with their options", _strategies, _strategy),
)
