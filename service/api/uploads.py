"""`POST /tables` and `POST /evaluations`: upload files as immutable versions."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import request

from service.api.documentation import Answers, writing
from service.api.job_requests import format_time
from service.catalog.catalog import Catalog
from service.context import current_service
from service.problems import Problem, blaming, invalid
from service.schemas.catalog import EvaluationsUpload, TableUpload, Uploaded
from service.security.caller import owner
from service.store import FileVersion
from tables.evaluation import Evaluation
from tables.lookup_table import LookupTable

_UNCHANGED: Answers = {200: {"description": "The newest version has this content already."}}
_ADDED = "A new version; the name stands for it from now on"

blueprint = APIBlueprint("uploads", __name__, tag="uploads")


@blueprint.post("/tables")
@blueprint.input(TableUpload, arg_name="body")
@blueprint.output(Uploaded, status_code=201, description=_ADDED)
@blueprint.doc(
    summary="Upload a lookup table, such as `python -m profiler build --upload URL` does",
    responses=writing(409) | _UNCHANGED,
)
def table(body: TableUpload) -> tuple[Uploaded, int]:
    """Add a version of a lookup table."""
    # The table has a schema and a reader of its own, so the body is read again in full.
    table = LookupTable.from_dict(request.get_json())
    return _add("table", body.name, table.to_json().encode())


@blueprint.post("/evaluations")
@blueprint.input(EvaluationsUpload, arg_name="body")
@blueprint.output(Uploaded, status_code=201, description=_ADDED)
@blueprint.doc(
    summary="Upload evaluations, for a predictor to be trained from",
    responses=writing(409) | _UNCHANGED,
)
def evaluations(body: EvaluationsUpload) -> tuple[Uploaded, int]:
    """Add a version of evaluations."""
    content = _to_json_lines(body, current_service().catalog)
    return _add("evaluations", body.name, content)


def _to_json_lines(body: EvaluationsUpload, catalog: Catalog) -> bytes:
    lines = []
    space = None
    for index, upload in enumerate(body.evaluations):
        field = f"evaluations.{index}.architecture"
        with blaming(field):
            # By the catalog, since a name with parameters could describe a space of any size.
            architecture = catalog.architecture(upload.architecture)
        space = space or architecture.space
        if architecture.space != space:
            raise invalid(
                f"{field} is one of {architecture.space}, not {space} as those before it", field
            )
        lines.append(Evaluation(architecture, upload.metrics, upload.source).to_json() + "\n")

    return "".join(lines).encode()


def _add(kind: str, name: str, content: bytes) -> tuple[Uploaded, int]:
    service = current_service()
    # A file in a folder of the service would hide the upload of the same name.
    if service.catalog.get_local_file(kind, name) is not None:
        detail = f"name {name!r} is that of a {kind} in a folder of the service; use another name"
        raise Problem(409, "name-taken", "Name taken", detail, "name")

    version, is_new = service.uploads.add(kind, name, content, owner())

    return _to_schema(version), 201 if is_new else 200


def _to_schema(version: FileVersion) -> Uploaded:
    return Uploaded(
        kind=version.kind,
        name=version.name,
        version=version.version,
        sha256=version.sha256,
        created=format_time(version.created),
    )
