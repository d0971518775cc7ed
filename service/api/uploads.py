"""`POST /tables` and `POST /evaluations`: what other devices and supernets found, as immutable
versions.
"""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import request

from service.api.documentation import Answers, writing
from service.api.job_requests import moment
from service.catalog.catalog import Catalog
from service.context import service_of
from service.problems import Problem, blaming, invalid
from service.schemas.catalog import EvaluationsUpload, TableUpload, Uploaded
from service.security.caller import owner
from service.store import FileVersion
from tables.evaluation import Evaluation
from tables.lookup_table import LookupTable

_KNOWN: Answers = {200: {"description": "The newest version has this content already."}}
_ADDED = "A new version; the name stands for it from now on"


def blueprint() -> APIBlueprint:
    """The routes of uploads."""
    uploads = APIBlueprint("uploads", __name__, tag="uploads")

    @uploads.post("/tables")
    @uploads.input(TableUpload, arg_name="asked")
    @uploads.output(Uploaded, status_code=201, description=_ADDED)
    @uploads.doc(
        summary="Upload a lookup table, such as `python -m profiler build --upload URL` does",
        responses=writing(409) | _KNOWN,
    )
    def table(asked: TableUpload) -> tuple[dict[str, Any], int]:
        found = LookupTable.from_dict(request.get_json())
        return _added("table", asked.name, found.to_json().encode())

    @uploads.post("/evaluations")
    @uploads.input(EvaluationsUpload, arg_name="asked")
    @uploads.output(Uploaded, status_code=201, description=_ADDED)
    @uploads.doc(
        summary="Upload evaluations, for a predictor to be trained from",
        responses=writing(409) | _KNOWN,
    )
    def evaluations(asked: EvaluationsUpload) -> tuple[dict[str, Any], int]:
        return _added("evaluations", asked.name, _lines(asked, service_of().catalog))

    return uploads


def _lines(asked: EvaluationsUpload, catalog: Catalog) -> bytes:
    lines, first = [], None
    for index, given in enumerate(asked.evaluations):
        field = f"evaluations.{index}.architecture"
        with blaming(field):
            architecture = catalog.architecture(given.architecture)
        first = first or architecture.space
        if architecture.space != first:
            raise invalid(
                f"{field} is one of {architecture.space}, not {first} as those before", field
            )
        lines.append(Evaluation(architecture, given.metrics, given.source).to_json() + "\n")
    return "".join(lines).encode()


def _added(kind: str, name: str, content: bytes) -> tuple[dict[str, Any], int]:
    service = service_of()
    if service.catalog.holds(kind, name) is not None:
        detail = f"the service has a {kind} {name!r} in a folder of its own; choose another name"
        raise Problem(409, "name-taken", "Name taken", detail, "name")
    version, new = service.uploads.add(kind, name, content, owner())
    return _shown(version), 201 if new else 200


def _shown(version: FileVersion) -> dict[str, Any]:
    told = {key: getattr(version, key) for key in ("kind", "name", "version", "sha256")}
    return {**told, "created": moment(version.created)}
