"""`/tables/design` and `/tables/adapt`: a new device's table from a few measured networks."""

from __future__ import annotations

import numpy as np
from apiflask import APIBlueprint

from profiler.adapting.table import Adaptation, adapted_table
from service.api.documentation import writing
from service.api.uploads import UNCHANGED, add_version
from service.catalog.catalog import Catalog
from service.catalog.summaries import summarise_table
from service.context import current_service
from service.problems import blaming, invalid
from service.schemas.adapting import Design, DesignRequest, TableAdaptation
from service.schemas.catalog import Uploaded
from spaces.space import Codes

blueprint = APIBlueprint("adapting", __name__, tag="uploads")


@blueprint.post("/tables/design")
@blueprint.input(DesignRequest, arg_name="body")
@blueprint.output(Design)
@blueprint.doc(
    summary="The networks to measure on a new device for `POST /tables/adapt`", responses=writing()
)
def design(body: DesignRequest) -> Design:
    """Choose the most informative networks to measure on a device, given the tables of others."""
    service = current_service()
    # As a prediction, the comparison of tables holds a thread for seconds.
    with service.waiting.slot():
        adaptation = _adaptation(body.sources, service.sender_catalog())
        codes = adaptation.design(body.networks)
    architectures = adaptation.space.decode(codes)
    return Design(
        space=adaptation.space.name, architectures=[item.to_dict() for item in architectures]
    )


@blueprint.post("/tables/adapt")
@blueprint.input(TableAdaptation, arg_name="body")
@blueprint.output(Uploaded, status_code=201, description="A new version of the table")
@blueprint.doc(
    summary="Make a new device's table from a few measured networks and other devices' tables",
    responses=writing(403, 409) | UNCHANGED,
)
def adapt(body: TableAdaptation) -> tuple[Uploaded, int]:
    """Add the table of a new device."""
    service = current_service()
    with service.waiting.slot():
        catalog = service.sender_catalog()
        adaptation = _adaptation(body.sources, catalog)
        codes = _measured_codes(body, adaptation, catalog)
        with blaming("measured"):
            table = adapted_table(
                adaptation,
                codes,
                np.array([network.latency_ms for network in body.measured]),
                name=body.name,
                device={"kind": "other", "processor": body.device},
                conditions=body.conditions.model_dump(),
                command=f"POST /tables/adapt from {', '.join(adaptation.sources)}",
            )

    content = table.to_json().encode()
    return add_version("table", body.name, content, body.shared, summarise_table(table))


def _adaptation(sources: list[str], catalog: Catalog) -> Adaptation:
    with blaming("sources"):
        return Adaptation.from_tables([catalog.table(name)[0] for name in sources])


def _measured_codes(body: TableAdaptation, adaptation: Adaptation, catalog: Catalog) -> Codes:
    """Return the codes [n, choices] of the measured networks, checked one by one."""
    architectures = []
    for index, network in enumerate(body.measured):
        field = f"measured.{index}.architecture"
        with blaming(field):
            architecture = catalog.architecture(network.architecture)
        if architecture.space != adaptation.space.name:
            raise invalid(
                f"{field} is one of {architecture.space}, the tables are of"
                f" {adaptation.space.name}",
                field,
            )
        architectures.append(architecture)
    return adaptation.space.encode(architectures)
