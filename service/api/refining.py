"""`POST /tables/{name}/refinement`: a better version of a table, by networks that were measured."""

from __future__ import annotations

import json

from apiflask import APIBlueprint

from profiler.refining import check_refinable
from profiler.refining import refine as refine_table
from service.api.catalog import resolving_path
from service.api.documentation import writing
from service.api.job_requests import get_finished_search
from service.api.uploads import add_version
from service.catalog.pipeline_files import path_of_file
from service.catalog.summaries import summarise_table
from service.context import Service, current_service
from service.measuring import MEASURED
from service.problems import Problem, blaming
from service.schemas.refining import Refined, TableRefinement
from spaces.registry import get
from tables.lookup_table import LookupTable
from tables.network_measurements import NetworkMeasurements

blueprint = APIBlueprint("refining", __name__, tag="uploads")


@blueprint.post("/tables/<path:name>/refinement")
@blueprint.input(TableRefinement, arg_name="body")
@blueprint.output(Refined, status_code=201, description="A new version of the table")
@blueprint.doc(
    summary="Add the networks that a search measured to a table, as a new version",
    responses=writing(403, 404, 409, 410),
)
def refine(name: str, body: TableRefinement) -> tuple[Refined, int]:
    """Add a version of a table whose estimates are corrected by a search's measured networks."""
    service = current_service()
    measurements = _measurements(service, body.search)
    with resolving_path("table"):
        table, _ = service.sender_catalog().table(name)
    with blaming("name"):
        check_refinable(table)

    # Sigmas are cross-validated over all networks, which holds a thread for a second.
    with service.waiting.slot():
        with blaming("search"):
            command = f"POST /tables/{name}/refinement by the search {body.search}"
            refined = refine_table(table, measurements, name=body.name, command=command)
        before, after = map(_sigma, (table, refined))

    new_name = body.name or name.rpartition("/")[2]
    content = refined.to_json().encode()
    uploaded, status = add_version(
        "table", new_name, content, body.shared, summarise_table(refined)
    )
    answer = Refined(
        **uploaded.model_dump(),
        added=len(refined.networks) - len(table.networks),
        networks=len(refined.networks),
        sigma_before_ms=before,
        sigma_ms=after,
    )
    return answer, status


def _measurements(service: Service, search: str) -> NetworkMeasurements:
    """Return what a search of the sender has measured; raises Problem (409) if that is nothing."""
    job, result = get_finished_search(service, search)
    if MEASURED not in result.get("files", []):
        detail = (
            f"search: {search} has measured no networks; search with verify, on a device that is"
            " not away"
        )
        raise Problem(409, "conflict", "Conflict", detail, "search")

    content = service.artifacts.read(path_of_file(job, MEASURED))
    return NetworkMeasurements.from_dict(json.loads(content))


def _sigma(table: LookupTable) -> float | None:
    return table.cost_model(get(table.space)).sigma
